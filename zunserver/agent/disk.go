package agent

import (
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// disk fills in the size of the engine's disk where it can be seen. The free space is rounded to whole GiB, so that the
// host's record changes only when it matters.
func (a *Agent) disk(h *capsule.Host, info runtime.Info) {
	if !info.Near || info.RootDir == "" {
		return
	}
	var s unix.Statfs_t
	if err := unix.Statfs(info.RootDir, &s); err != nil {
		return
	}
	h.DiskBytes = int64(s.Blocks) * s.Bsize
	h.DiskFreeBytes = int64(s.Bavail) * s.Bsize >> 30 << 30
}
