package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Filter says whether a host can take a capsule, and if not, why not.
type Filter struct {
	// Name is what is wrong with a host that does not pass, in words that follow a number.
	Name    string
	Passes  func(Need, Room) bool
	Explain func(Need, Room) string
}

// Weigher says how good a host is for a capsule; more is better.
type Weigher func(Need, Room) float64

// filters in the order in which they are asked; the first that a host does not pass is the reason.
var filters = []Filter{
	{"down",
		func(_ Need, r Room) bool { return r.Host.Up && !r.Host.ForcedDown },
		func(_ Need, r Room) string {
			if r.Host.ForcedDown {
				return "forced down"
			}
			return cmp.Or(r.Host.Reason, "its engine does not answer")
		}},
	{"disabled",
		func(_ Need, r Room) bool { return !r.Host.Disabled },
		func(_ Need, r Room) string { return cmp.Or(r.Host.DisabledReason, "takes no new capsules") }},
	{"not the one asked for",
		func(n Need, r Room) bool { return n.Host == "" || n.Host == r.Host.Name },
		func(n Need, r Room) string { return "needs " + n.Host }},
	{"without the labels",
		func(n Need, r Room) bool { return lacking(n, r) == "" },
		func(n Need, r Room) string { return "needs " + lacking(n, r) }},
	{"in another availability zone",
		func(n Need, r Room) bool { return n.Zone == "" || n.Zone == r.Host.Zone() },
		func(n Need, r Room) string {
			return fmt.Sprintf("needs %s, is in %s", n.Zone, r.Host.Zone())
		}},
	{"without AppArmor",
		func(n Need, r Room) bool { return !n.AppArmor || r.Host.AppArmor },
		func(Need, Room) string { return "enforces no profile" }},
	{"without the runtime",
		func(n Need, r Room) bool { return n.Runtime == "" || slices.Contains(r.Host.Runtimes, n.Runtime) },
		func(n Need, r Room) string {
			return fmt.Sprintf("needs %s, has %s", n.Runtime, cmp.Or(strings.Join(r.Host.Runtimes, " and "), "its default only"))
		}},
	{"too little cpu",
		func(n Need, r Room) bool { return n.MilliCPU == 0 || n.MilliCPU <= r.freeCPU() },
		func(n Need, r Room) string {
			return fmt.Sprintf("needs %s, has %s free", cores(n.MilliCPU), cores(max(0, r.freeCPU())))
		}},
	{"too little memory",
		func(n Need, r Room) bool { return n.MemoryBytes == 0 || n.MemoryBytes <= r.freeMemory() },
		func(n Need, r Room) string {
			return fmt.Sprintf("needs %s, has %s free", bytes(n.MemoryBytes), bytes(max(0, r.freeMemory())))
		}},
	{"with a port in use",
		func(n Need, r Room) bool { return clash(n, r) == nil },
		func(n Need, r Room) string {
			p := clash(n, r)
			return fmt.Sprintf("host port %d/%s", p.Port, p.Protocol)
		}},
}

// weighers are asked in order; a later one decides among hosts that are equal to the ones before.
var weighers = []Weigher{leastRequested}

// shown is how many hosts a reason names for each filter.
const shown = 3

// Place returns the host that c should live on or, when it is empty, why there is none, for people. placed are the
// capsules that live on hosts; those that are over count for nothing. It changes nothing and depends on nothing else.
func Place(c *capsule.Capsule, hosts []capsule.Host, placed []*capsule.Capsule) (host, reason string) {
	if len(hosts) == 0 {
		return "", "0 hosts: no Docker host has a living agent"
	}
	need := needOf(c)
	var fit []Room
	failed := make([][]string, len(filters))
	for _, r := range rooms(hosts, placed) {
		i := slices.IndexFunc(filters, func(f Filter) bool { return !f.Passes(need, r) })
		if i < 0 {
			fit = append(fit, r)
		} else {
			failed[i] = append(failed[i], r.Host.Name+": "+filters[i].Explain(need, r))
		}
	}
	if len(fit) == 0 {
		return "", reasonOf(len(hosts), failed)
	}
	best := slices.MinFunc(fit, func(a, b Room) int {
		for _, w := range weighers {
			if d := cmp.Compare(w(need, b), w(need, a)); d != 0 {
				return d
			}
		}
		return 0 // the first by name
	})
	return best.Host.Name, ""
}

// rooms are the hosts in the order of their names, with what is promised on each.
func rooms(hosts []capsule.Host, placed []*capsule.Capsule) []Room {
	list := make([]Room, len(hosts))
	for i, h := range hosts {
		list[i].Host = h
	}
	slices.SortFunc(list, func(a, b Room) int { return cmp.Compare(a.Host.Name, b.Host.Name) })
	byName := make(map[string]*Room, len(list))
	for i := range list {
		byName[list[i].Host.Name] = &list[i]
	}
	for _, c := range placed {
		if r := byName[c.Claim.Host]; r != nil && !over(c) {
			r.Promised.add(needOf(c))
		}
	}
	return list
}

func reasonOf(hosts int, failed [][]string) string {
	var parts []string
	for i, hosts := range failed {
		if len(hosts) == 0 {
			continue
		}
		names := strings.Join(hosts[:min(shown, len(hosts))], "; ")
		if len(hosts) > shown {
			names += "; …"
		}
		parts = append(parts, fmt.Sprintf("%d %s (%s)", len(hosts), filters[i].Name, names))
	}
	return fmt.Sprintf("0 of %d hosts fit: %s", hosts, strings.Join(parts, ", "))
}

// Kubernetes: pkg/scheduler/util/pod_resources.go, DefaultMilliCPURequest and DefaultMemoryRequest.
const (
	assumedMilliCPU    = 100
	assumedMemoryBytes = 200 << 20
)

// leastRequested prefers the host that has the greatest share of cpu and memory left with the capsule on it.
func leastRequested(n Need, r Room) float64 {
	cpu := share(r.freeCPU()-cmp.Or(n.MilliCPU, assumedMilliCPU), int64(r.Host.CPUs)*1000)
	memory := share(r.freeMemory()-cmp.Or(n.MemoryBytes, assumedMemoryBytes), r.Host.MemoryBytes)
	return cpu + memory
}

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func (r Room) freeCPU() int64    { return int64(r.Host.CPUs)*1000 - r.Promised.MilliCPU }
func (r Room) freeMemory() int64 { return r.Host.MemoryBytes - r.Promised.MemoryBytes }

// lacking is the first label that the capsule asks for and the host does not have.
func lacking(n Need, r Room) string {
	for _, key := range slices.Sorted(maps.Keys(n.HostLabels)) {
		if had, ok := r.Host.Labels[key]; !ok || had != n.HostLabels[key] {
			return key + "=" + n.HostLabels[key]
		}
	}
	return ""
}

// clash is the first port of the capsule that another one on the host has.
func clash(n Need, r Room) *HostPort {
	for i := range n.Ports {
		if slices.ContainsFunc(r.Promised.Ports, n.Ports[i].clashes) {
			return &n.Ports[i]
		}
	}
	return nil
}

func cores(milli int64) string { return resource.NewMilliQuantity(milli, resource.DecimalSI).String() }

// bytes prints n in the largest binary unit that loses nothing worth reading.
func bytes(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "Gi"}, {1 << 20, "Mi"}, {1 << 10, "Ki"}} {
		if n >= 10*unit.size || n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%d%s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprint(n)
}
