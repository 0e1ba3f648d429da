package docker

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"
)

// capSysResource is the bit of CAP_SYS_RESOURCE, without which the kernel lets nobody lower an oom_score_adj.
const capSysResource = 24

// pidFile is where dockerd says its process ID by default.
const pidFile = "/var/run/docker.pid"

// oomScoreRefused is what runc 1.1 says when it could not write a negative oom_score_adj.
const oomScoreRefused = "can't get final child's PID from pipe"

// mayLowerOOMScore says whether the engine on this machine has CAP_SYS_RESOURCE, by its own process or, when that
// cannot be found, by ours. When in doubt it may. The machine's files are below root.
func mayLowerOOMScore(root string) bool {
	pid := "self"
	if b, err := os.ReadFile(filepath.Join(root, pidFile)); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			pid = strconv.Itoa(n)
		}
	}
	status, err := os.ReadFile(filepath.Join(root, "proc", pid, "status"))
	if err != nil {
		return true
	}
	return hasCapability(status, capSysResource)
}

// hasCapability reads the effective set out of /proc/<pid>/status; true when it is not there.
func hasCapability(status []byte, bit uint) bool {
	for line := range bytes.Lines(status) {
		if hex, ok := bytes.CutPrefix(line, []byte("CapEff:")); ok {
			set, err := strconv.ParseUint(string(bytes.TrimSpace(hex)), 16, 64)
			return err != nil || set&(1<<bit) != 0
		}
	}
	return true
}

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
