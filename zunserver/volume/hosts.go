package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// HostsMount implements Driver: containers are created before the capsule has its address, and started after.
func (n Near) HostsMount(c *capsule.Capsule) ([]runtime.Mount, error) {
	path, err := n.hostsFile(c.UUID)
	if err != nil {
		return nil, err
	}
	return []runtime.Mount{{Kind: runtime.MountBind, Source: path, Target: hostsPath}}, nil
}

// hostsFile returns the file of a capsule, made empty if it is not there.
func (n Near) hostsFile(uuid string) (string, error) {
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

// Fill implements Driver: files are up to date already, so it is about /etc/hosts, in place because it is mounted.
func (n Near) Fill(_ context.Context, c *capsule.Capsule, s Sandbox) error {
	if s.Hosts == nil {
		return nil
	}
	if len(s.Addresses) == 0 && !c.Spec.HostNetwork {
		return fmt.Errorf("the sandbox has no address yet")
	}
	path, err := n.hostsFile(c.UUID)
	if err != nil {
		return err
	}
	content, own, after := s.Hosts(s.Addresses)
	if own {
		host, err := os.ReadFile(hostsPath)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("reading the host's own hosts file: %w", err)
		}
		content = append(slices.Clone(content), host...)
	}
	content = append(slices.Clone(content), after...)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, content) {
		return nil
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("writing the hosts file: %w", err)
	}
	return nil
}

// hostsPath is where programs look, on the host and in containers.
const hostsPath = "/etc/hosts"
