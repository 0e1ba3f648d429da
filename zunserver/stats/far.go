package stats

import (
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Far is for hosts whose kernel is not this process' own. Everything answers NotImplemented.
type Far struct{}

var errFar = fmt.Errorf("statistics of hosts that do not share capsulet's machine: %w", errdefs.ErrNotImplemented)

// Container answers that it cannot.
func (Far) Container(string, int) (capsule.Usage, error) { return capsule.Usage{}, errFar }

// Network answers that it cannot.
func (Far) Network(int) ([]capsule.Interface, error) { return nil, errFar }

// Host answers that it cannot.
func (Far) Host() (capsule.HostStats, error) { return capsule.HostStats{}, errFar }
