package docker

import (
	"io"

	"github.com/sirupsen/logrus"
)

// oomScoreRefused is what runc 1.1 says when it could not write a negative oom_score_adj.
const oomScoreRefused = "can't get final child's PID from pipe"

// refuseOOMScore remembers that negative values do not work here and says so once.
func (h *Host) refuseOOMScore(cause string) {
	if !h.dropOOMScore.Swap(true) {
		h.log.WithField("host", h.cfg.Endpoint).WithField("cause", cause).
			Warn("A negative oom_score_adj is not permitted on this host, containers get 0 instead")
	}
}

func discard() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}
