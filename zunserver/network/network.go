package network

import (
	"context"
	"fmt"
	"net"

	"github.com/containerd/errdefs"
)

// Target is the sandbox of a capsule.
type Target struct {
	// Host is the name of the host, for messages.
	Host string
	// ID is the container's and Pid its main process on the host.
	ID  string
	Pid int
	// Address is the capsule's, may be empty.
	Address string
}

// Far is for hosts whose network and kernel are not this process' own.
type Far struct{}

// Dial answers that it cannot.
func (Far) Dial(_ context.Context, t Target, port int32) (net.Conn, error) {
	return nil, fmt.Errorf("port %d of a capsule on host %s cannot be reached: capsulet forwards ports on hosts that it shares a machine with only: %w",
		port, t.Host, errdefs.ErrNotImplemented)
}
