package inside

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// SignalGroup signals the process group of a command in a container, by the number that the command has here: the engine makes
// each command the leader of one. Numbers are used again, so the process has to be one of the container's. One that has
// ended is no error.
func SignalGroup(number unix.Signal, pid int, container string) error {
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	if !bytes.Contains(groups, []byte(container)) {
		return fmt.Errorf("process %d is not one of container %s here: are the engine's processes this machine's?", pid, container)
	}
	if err := unix.Kill(-pid, number); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal the command: %w", err)
	}
	return nil
}

func signal(number, pid, container string) error {
	n, err := strconv.Atoi(number)
	p, pidErr := strconv.Atoi(pid)
	if err = errors.Join(err, pidErr); err != nil || p <= 1 || len(container) < 12 {
		return fmt.Errorf("signal %q to process %q of container %q: %w", number, pid, container, errors.Join(err, errors.ErrUnsupported))
	}
	return SignalGroup(unix.Signal(n), p, container)
}
