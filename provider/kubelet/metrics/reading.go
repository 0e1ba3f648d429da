package metrics

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Pod is one pod with its capsule and what that uses. Nothing of it is to be changed.
type Pod struct {
	*corev1.Pod
	Capsule *capsule.Capsule // nil while there is none
	Stats   *capsule.Stats   // nil when it does not run
}

// Reading is what was read at one moment.
type Reading struct {
	Node string
	// Pods are sorted by namespace, name and UID.
	Pods []Pod
	// Hosts are the machines under the node, those that are up.
	Hosts []capsule.Host
	// Usage is of the node as a whole, as far as its hosts can tell; nil when none can.
	Usage *capsule.HostStats
	// Err says why the reading is not complete.
	Err error
}

// NewReading puts a reading together. The report may be empty.
func NewReading(node string, pods []Pod, hosts []capsule.Host, report *capsule.StatsReport, err error) *Reading {
	r := &Reading{Node: node, Pods: pods, Usage: usage(report), Err: err}
	for _, h := range hosts {
		if h.Up {
			r.Hosts = append(r.Hosts, h)
		}
	}
	of := make(map[string]*capsule.Stats, len(report.Capsules))
	for i := range report.Capsules {
		of[report.Capsules[i].UUID] = &report.Capsules[i]
	}
	for i := range pods {
		pods[i].Stats = of[string(pods[i].UID)]
	}
	slices.SortFunc(pods, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return r
}

// usage is the sum of the hosts. A far one on which no capsule has run is unknown, and adds nothing.
func usage(report *capsule.StatsReport) *capsule.HostStats {
	if len(report.Hosts) == 0 {
		return nil
	}
	sum := report.Hosts[0]
	for i := range report.Hosts[1:] {
		h := &report.Hosts[1+i]
		sum.Add(h.Usage)
		if h.StartedAt.Before(sum.StartedAt) {
			sum.StartedAt = h.StartedAt
		}
	}
	return &sum
}
