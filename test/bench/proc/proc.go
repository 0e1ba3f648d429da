// Package proc reads what a process takes of the machine.
package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is a unit of processor time in /proc (USER_HZ, which is 100 on every Linux that Go runs on).
const tick = 10 * time.Millisecond

// CPU is the processor time of a process, in user and in system mode.
func CPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(file(pid, "stat"))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; utime and stime are the fields 14 and 15, the state after the name is 3.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s: %q", file(pid, "stat"), b)
	}
	user, userErr := strconv.ParseInt(fields[11], 10, 64)
	system, systemErr := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(userErr, systemErr)
}

// Memory is a field of /proc/<pid>/status in MB.
func Memory(pid int, field string) (float64, error) {
	b, err := os.ReadFile(file(pid, "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", file(pid, "status"), field)
}

func file(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }
