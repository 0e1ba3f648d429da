package agent

import (
	"context"
	"time"

	"github.com/containerd/errdefs"
)

// sweepNetworks removes networks of the host that stand for one of the API that is no more. The engine itself refuses while a
// container is in one.
func (a *Agent) sweepNetworks(ctx context.Context) error {
	return a.sweepEach(ctx, a.danglingNetworks, a.removeNetwork)
}

// danglingNetworks are the names of those that the store does not know. Each is asked for by itself: a failure is no answer.
func (a *Agent) danglingNetworks(ctx context.Context) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	all, err := a.cfg.Runtime.ListNetworks(ctx)
	if err != nil {
		a.log.WithError(err).Debug("Cannot list networks, trying again")
		return nil
	}
	dangling := map[string]bool{}
	for _, n := range all {
		if n.ID == "" {
			continue
		}
		if _, err := a.cfg.Store.Network(ctx, n.ID); errdefs.IsNotFound(err) {
			dangling[n.Name] = true
		}
	}
	return dangling
}

func (a *Agent) removeNetwork(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	log := a.log.WithField("network", name)
	switch err := a.cfg.Runtime.RemoveNetwork(ctx, name); {
	case errdefs.IsFailedPrecondition(err):
		log.Debug("A network that the store does not know is still in use")
	case err != nil:
		log.WithError(err).Warn("Cannot remove a network that the store does not know, trying again")
	default:
		log.Info("Removed a network that the store does not know")
	}
}
