package volume

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// HostsFile returns the file that is mounted as /etc/hosts into the containers of a capsule, made empty if it is not
// there: containers are created before the capsule has its address, and started after.
func (n Near) HostsFile(uuid string) (string, error) {
	dir := filepath.Join(n.disk(uuid), "..hosts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the hosts file: %w", err)
	}
	path := filepath.Join(dir, "hosts")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return "", fmt.Errorf("making the hosts file: %w", err)
	}
	return path, errors.Join(f.Chmod(0o644), f.Close())
}

// WriteHosts fills the file of [Near.HostsFile], in place because it is mounted. make gets the host's own file.
func (n Near) WriteHosts(uuid string, make func(host []byte) []byte) error {
	path, err := n.HostsFile(uuid)
	if err != nil {
		return err
	}
	own, err := os.ReadFile("/etc/hosts")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading the host's own hosts file: %w", err)
	}
	content := make(own)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, content) {
		return nil
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("writing the hosts file: %w", err)
	}
	return nil
}
