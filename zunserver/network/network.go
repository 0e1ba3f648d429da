package network

import (
	"context"
	"net"
	"strconv"
	"time"
)

// dialTimeout is for one address of one port.
const dialTimeout = 5 * time.Second

// Target is the sandbox of a capsule.
type Target struct {
	// ID is the container's and Pid its main process on the host.
	ID  string
	Pid int
	// Address is the capsule's, may be empty.
	Address string
}

// Dialer reaches what listens in the capsules of a host. Errors of the class Unavailable: nothing listens there. Connections
// can be closed for writing alone.
type Dialer interface {
	// Dial connects to a TCP port of the capsule, its localhost first.
	Dial(ctx context.Context, t Target, port int32) (net.Conn, error)
	// DialAddress connects to an address, host:port, as probes and hooks name it.
	DialAddress(ctx context.Context, t Target, address string) (net.Conn, error)
}

// local are the addresses of a port on the capsule's localhost, IPv4 before IPv6.
func local(port int32) []string {
	p := strconv.Itoa(int(port))
	return []string{net.JoinHostPort("127.0.0.1", p), net.JoinHostPort("::1", p)}
}
