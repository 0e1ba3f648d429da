// Package oomscore finds out whether the engine of this machine may give its containers a negative oom_score_adj.
package oomscore

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// capSysResource is the bit of CAP_SYS_RESOURCE, without which the kernel lets nobody lower an oom_score_adj.
const capSysResource = 24

// pidFile is where dockerd says its process ID by default.
const pidFile = "/var/run/docker.pid"

// MayLower says whether the engine on this machine has CAP_SYS_RESOURCE, by its own process or, when that
// cannot be found, by ours. When in doubt it may. The machine's files are below root.
func MayLower(root string) bool {
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
