package runtime

import (
	"context"
	"net/netip"
)

// Networks are bridges of the engine. Sandboxes are made in one ([ContainerConfig]) and connected to others.
type Networks interface {
	// CreateNetwork makes a network; one of that name that is ours is left as it is. AlreadyExists: the name is taken by a
	// network that is not this instance's; FailedPrecondition: its subnet overlaps with another's.
	CreateNetwork(ctx context.Context, cfg NetworkConfig) error
	// ListNetworks returns all networks of the engine.
	ListNetworks(ctx context.Context) ([]Network, error)
	// RemoveNetwork deletes a network; nil when it is gone already. FailedPrecondition: a container is in it.
	RemoveNetwork(ctx context.Context, name string) error
	// Connect puts a sandbox, running or not, into a network besides those that it is in; nil if it is in it already.
	// NotFound: one of them is not there.
	Connect(ctx context.Context, e Endpoint) error
	// Disconnect takes a sandbox out of a network; nil if it is not in it.
	Disconnect(ctx context.Context, id, network string) error
}

// NetworkConfig is a network to be made.
type NetworkConfig struct {
	Name string
	// ID is the UUID of the network of the API that it stands for.
	ID string
	// Subnets are at most one for each family of addresses; without one the engine chooses.
	Subnets []netip.Prefix
	// Internal: nothing beyond the host is reached from it.
	Internal bool
}

// Network is a network of the engine.
type Network struct {
	Name   string
	Driver string
	// ID is the UUID of the network of the API that it stands for; empty for one that is not this instance's.
	ID string
}

// Endpoint is a sandbox in a network.
type Endpoint struct {
	// ID is the sandbox', Network the network's name.
	ID, Network string
	// IPv4 and IPv6 are fixed addresses; empty: the engine gives one.
	IPv4, IPv6 string
}
