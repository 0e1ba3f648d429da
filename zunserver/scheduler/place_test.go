package scheduler

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

var at = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func container(name, cpu, memory string) capsule.ContainerSpec {
	cs := capsule.ContainerSpec{Name: name, Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{}}}
	if cpu != "" {
		cs.Resources.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory != "" {
		cs.Resources.Requests[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	return cs
}

func sidecarOf(cs capsule.ContainerSpec) capsule.ContainerSpec {
	always := corev1.ContainerRestartPolicyAlways
	cs.RestartPolicy = &always
	return cs
}

func asking(cpu, memory string) *capsule.Capsule {
	return &capsule.Capsule{UUID: "asking", CreatedAt: at, Spec: capsule.Spec{Name: "a", RestartPolicy: capsule.RestartAlways,
		Containers: []capsule.ContainerSpec{container("c", cpu, memory)}}}
}

func on(host string, c *capsule.Capsule) *capsule.Capsule {
	c.Claim.Host = host
	return c
}

func port(c *capsule.Capsule, p capsule.Port) *capsule.Capsule {
	c.Spec.Containers[0].Ports = append(c.Spec.Containers[0].Ports, p)
	return c
}

func host(name string) capsule.Host {
	return capsule.Host{Name: name, Up: true, CPUs: 4, MemoryBytes: 8 << 30}
}

func TestPlace(t *testing.T) {
	type world struct {
		c      *capsule.Capsule
		hosts  []capsule.Host
		placed []*capsule.Capsule
	}
	for _, tc := range []struct {
		name         string
		mutate       func(*world)
		host, reason string
	}{
		{"first by name", func(*world) {}, "h1", ""},
		{"no hosts", func(w *world) { w.hosts = nil }, "", "0 hosts: no Docker host has a living agent"},
		{"least requested", func(w *world) { w.placed = append(w.placed, on("h1", asking("1", "1Gi"))) }, "h2", ""},
		{"capsules without requests spread too", func(w *world) {
			w.c = asking("", "")
			w.placed = append(w.placed, on("h1", asking("100m", "")))
		}, "h2", ""},
		{"the larger host", func(w *world) { w.hosts[1].MemoryBytes *= 2 }, "h2", ""},
		{"one down", func(w *world) { w.hosts[0].Up = false }, "h2", ""},
		{"one disabled", func(w *world) { w.hosts[0].Disabled = true }, "h2", ""},
		{"one forced down", func(w *world) { w.hosts[0].ForcedDown = true }, "h2", ""},
		{"all forced down", func(w *world) { w.hosts[0].ForcedDown, w.hosts[1].ForcedDown = true, true },
			"", "0 of 2 hosts fit: 2 down (h1: forced down; h2: forced down)"},
		{"disabled for a reason", func(w *world) {
			w.hosts = w.hosts[:1]
			w.hosts[0].Disabled, w.hosts[0].DisabledReason = true, "new disks"
		}, "", "0 of 1 hosts fit: 1 disabled (h1: new disks)"},
		{"in the zone of hosts that are in none", func(w *world) { w.c.Spec.AvailabilityZone = "nova" }, "h1", ""},
		{"zone", func(w *world) { w.c.Spec.AvailabilityZone, w.hosts[1].AvailabilityZone = "z", "z" }, "h2", ""},
		{"a selected host", func(w *world) { w.c.Spec.HostSelector = "h2" }, "h2", ""},
		{"a selected host that is not there", func(w *world) { w.c.Spec.HostSelector = "h9" }, "",
			"0 of 2 hosts fit: 2 not the one asked for (h1: needs h9; h2: needs h9)"},
		{"a selected host that is down", func(w *world) { w.c.Spec.HostSelector, w.hosts[0].Up, w.hosts[0].Reason = "h1", false, "gone" }, "",
			"0 of 2 hosts fit: 1 down (h1: gone), 1 not the one asked for (h2: needs h1)"},
		{"labels of the host", func(w *world) {
			w.c.Spec.HostLabels = map[string]string{"disk": "ssd", "rack": ""}
			w.hosts[0].Labels = map[string]string{"disk": "ssd"}
			w.hosts[1].Labels = map[string]string{"disk": "ssd", "rack": "", "gpu": "no"}
		}, "h2", ""},
		{"labels that no host has", func(w *world) {
			w.c.Spec.HostLabels = map[string]string{"disk": "ssd"}
			w.hosts[1].Labels = map[string]string{"disk": "hdd"}
		}, "", "0 of 2 hosts fit: 2 without the labels (h1: needs disk=ssd; h2: needs disk=ssd)"},
		{"a runtime of its own", func(w *world) { w.c.Spec.Runtime, w.hosts[1].Runtimes = "gvisor", []string{"runc", "gvisor"} }, "h2", ""},
		{"what the whole asks for counts", func(w *world) {
			w.hosts[0].MemoryBytes = 4 << 30
			w.c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("6Gi")}
		}, "h2", ""},
		{"an AppArmor profile", func(w *world) {
			w.c.Spec.SecurityContext = &corev1.PodSecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}}
			w.hosts[1].AppArmor = true
		}, "h2", ""},
		{"a runtime that nobody has", func(w *world) { w.c.Spec.Runtime, w.hosts[0].Runtimes = "gvisor", []string{"runc"} }, "",
			"0 of 2 hosts fit: 2 without the runtime (h1: needs gvisor, has runc; h2: needs gvisor, has its default only)"},
		{"no zone asked", func(w *world) { w.hosts[0].AvailabilityZone = "z" }, "h1", ""},
		{"a claim on a host that is gone", func(w *world) { w.placed = append(w.placed, on("h9", asking("4", "8Gi"))) }, "h1", ""},
		{"two reasons", func(w *world) {
			w.hosts[0].Up, w.hosts[0].Reason = false, "engine does not answer"
			w.hosts[1].MemoryBytes = 12 << 20
		}, "", "0 of 2 hosts fit: 1 down (h1: engine does not answer), 1 too little memory (h2: needs 64Mi, has 12Mi free)"},
		{"cpu", func(w *world) {
			w.c = asking("3500m", "")
			w.placed = append(w.placed, on("h1", asking("1", "")), on("h2", asking("750m", "")))
		},
			"", "0 of 2 hosts fit: 2 too little cpu (h1: needs 3500m, has 3 free; h2: needs 3500m, has 3250m free)"},
		{"more promised than there is", func(w *world) {
			w.hosts = w.hosts[:1]
			w.placed = append(w.placed, on("h1", asking("", "9Gi")))
		}, "", "0 of 1 hosts fit: 1 too little memory (h1: needs 64Mi, has 0 free)"},
		{"who asks for nothing fits a full host", func(w *world) {
			w.c, w.hosts = asking("", ""), w.hosts[:1]
			w.placed = append(w.placed, on("h1", asking("5", "9Gi")))
		}, "h1", ""},
		{"disabled and zone", func(w *world) { w.hosts[0].Disabled, w.c.Spec.AvailabilityZone = true, "z" },
			"", "0 of 2 hosts fit: 1 disabled (h1: takes no new capsules), 1 in another availability zone (h2: needs z, is in nova)"},
		{"many hosts", func(w *world) {
			for i := range 3 {
				w.hosts = append(w.hosts, host(fmt.Sprint("h", 3+i)))
			}
			for i := range w.hosts {
				w.hosts[i].Disabled = true
			}
		}, "", "0 of 5 hosts fit: 5 disabled (h1: takes no new capsules; h2: takes no new capsules; h3: takes no new capsules; …)"},
		{"host port", func(w *world) {
			port(w.c, capsule.Port{HostPort: 80})
			w.placed = append(w.placed, on("h1", port(asking("", ""), capsule.Port{HostPort: 80, Protocol: corev1.ProtocolTCP})))
			w.hosts = w.hosts[:1]
		}, "", "0 of 1 hosts fit: 1 with a port in use (h1: host port 80/TCP)"},
		{"host port of the other protocol", func(w *world) {
			port(w.c, capsule.Port{HostPort: 80})
			w.placed = append(w.placed, on("h1", port(asking("", ""), capsule.Port{HostPort: 80, Protocol: corev1.ProtocolUDP})))
			w.hosts = w.hosts[:1]
		}, "h1", ""},
		{"host port of another address", func(w *world) {
			port(w.c, capsule.Port{HostPort: 80, HostIP: "10.0.0.1"})
			w.placed = append(w.placed, on("h1", port(asking("", ""), capsule.Port{HostPort: 80, HostIP: "10.0.0.2"})))
			w.hosts = w.hosts[:1]
		}, "h1", ""},
		{"host port of every address", func(w *world) {
			port(w.c, capsule.Port{HostPort: 80, HostIP: "10.0.0.1"})
			w.placed = append(w.placed, on("h1", port(asking("", ""), capsule.Port{HostPort: 80, HostIP: "0.0.0.0"})))
		}, "h2", ""},
		{"the host's network", func(w *world) {
			port(w.c, capsule.Port{HostPort: 80})
			other := on("h1", port(asking("", ""), capsule.Port{ContainerPort: 80}))
			other.Spec.HostNetwork = true
			w.placed = append(w.placed, other)
		}, "h2", ""},
		{"container ports do not clash", func(w *world) {
			port(w.c, capsule.Port{ContainerPort: 80})
			w.placed = append(w.placed, on("h1", port(asking("", ""), capsule.Port{ContainerPort: 80})))
		}, "h1", ""},
		{"who is over has no promise", func(w *world) {
			done := on("h1", asking("4", "8Gi"))
			done.Facts.StoppedAt = at
			w.placed = append(w.placed, done)
		}, "h1", ""},
	} {
		w := &world{c: asking("500m", "64Mi"), hosts: []capsule.Host{host("h1"), host("h2")}}
		tc.mutate(w)
		for range 2 { // the order of what is given does not matter
			if h, reason := Place(w.c, w.hosts, w.placed); h != tc.host || reason != tc.reason {
				t.Errorf("%s: host %q, reason %q", tc.name, h, reason)
			}
			for i, j := 0, len(w.hosts)-1; i < j; i, j = i+1, j-1 {
				w.hosts[i], w.hosts[j] = w.hosts[j], w.hosts[i]
			}
		}
	}
}

func TestNeed(t *testing.T) {
	limits := container("l", "", "")
	limits.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	for _, tc := range []struct {
		name        string
		init, main  []capsule.ContainerSpec
		cpu, memory int64
	}{
		{"sum", nil, []capsule.ContainerSpec{container("a", "1", "1Gi"), container("b", "500m", "1Gi")}, 1500, 2 << 30},
		{"greedy init", []capsule.ContainerSpec{container("i", "3", "1Mi"), container("j", "1", "3Gi")},
			[]capsule.ContainerSpec{container("a", "1", "1Gi")}, 3000, 3 << 30},
		{"modest init", []capsule.ContainerSpec{container("i", "1", "1Mi"), container("j", "1", "1Mi")},
			[]capsule.ContainerSpec{container("a", "2", "1Gi")}, 2000, 1 << 30},
		{"sidecar", []capsule.ContainerSpec{sidecarOf(container("s", "1", "1Gi")), container("i", "1", "2Gi")},
			[]capsule.ContainerSpec{container("a", "2", "1Gi")}, 3000, 3 << 30},
		{"sidecar after init", []capsule.ContainerSpec{container("i", "1", "2Gi"), sidecarOf(container("s", "1", "1Gi"))},
			[]capsule.ContainerSpec{container("a", "2", "1Gi")}, 3000, 2 << 30},
		{"limits", nil, []capsule.ContainerSpec{limits}, 2000, 1 << 30},
		{"none", nil, []capsule.ContainerSpec{container("a", "", "")}, 0, 0},
	} {
		c := asking("", "")
		c.Spec.InitContainers, c.Spec.Containers = tc.init, tc.main
		if n := needOf(c); n.MilliCPU != tc.cpu || n.MemoryBytes != tc.memory {
			t.Errorf("%s: %+v", tc.name, n)
		}
	}
}

func TestOver(t *testing.T) {
	exit := func(name string, code int) capsule.ContainerFacts {
		return capsule.ContainerFacts{Name: name, Run: &capsule.Run{StartedAt: at, FinishedAt: at, ExitCode: code}}
	}
	running := func(name string) capsule.ContainerFacts {
		return capsule.ContainerFacts{Name: name, Run: &capsule.Run{StartedAt: at}}
	}
	always, never, onFailure := capsule.RestartAlways, capsule.RestartNever, capsule.RestartOnFailure
	for _, tc := range []struct {
		name   string
		policy capsule.RestartPolicy
		facts  capsule.Facts
		want   bool
	}{
		{"nothing seen", never, capsule.Facts{}, false},
		{"never, exited", never, capsule.Facts{Containers: []capsule.ContainerFacts{exit("c", 1)}}, true},
		{"never, init failed", never, capsule.Facts{Containers: []capsule.ContainerFacts{exit("i", 1)}}, true},
		{"on failure, init failed", onFailure, capsule.Facts{Containers: []capsule.ContainerFacts{exit("i", 1)}}, false},
		{"never, init done", never, capsule.Facts{Containers: []capsule.ContainerFacts{exit("i", 0)}}, false},
		{"on failure, failed", onFailure, capsule.Facts{Containers: []capsule.ContainerFacts{exit("c", 1)}}, false},
		{"on failure, done", onFailure, capsule.Facts{Containers: []capsule.ContainerFacts{exit("c", 0)}}, true},
		{"always, exited", always, capsule.Facts{Containers: []capsule.ContainerFacts{exit("c", 0)}}, false},
		{"sidecar still runs", never, capsule.Facts{Containers: []capsule.ContainerFacts{running("s"), exit("c", 0)}}, false},
		{"ended by the server", always, capsule.Facts{End: &capsule.End{}, Containers: []capsule.ContainerFacts{exit("c", 137)}}, true},
		{"being ended", always, capsule.Facts{End: &capsule.End{}, Containers: []capsule.ContainerFacts{running("c")}}, false},
		{"being ended, never", never, capsule.Facts{End: &capsule.End{}, Containers: []capsule.ContainerFacts{running("c")}}, false},
		{"ended before it ran", onFailure, capsule.Facts{End: &capsule.End{}}, true},
		{"stopped", always, capsule.Facts{StoppedAt: at}, true},
	} {
		c := asking("", "")
		c.Spec.RestartPolicy, c.Facts = tc.policy, tc.facts
		c.Spec.InitContainers = []capsule.ContainerSpec{container("i", "", ""), sidecarOf(container("s", "", ""))}
		if over(c) != tc.want {
			t.Errorf("%s: %v", tc.name, !tc.want)
		}
	}
}
