package node

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestNodeConditions(t *testing.T) {
	errDown := errors.New("connection refused")
	cfg := &Config{Name: "n", Address: "127.0.0.1"}
	upHost := capsule.Host{Name: "a", Up: true, CPUs: 2, MemoryBytes: 1 << 30}
	downHost := capsule.Host{Name: "b", CPUs: 8, Reason: "no answer"}
	for _, c := range []struct {
		name    string
		hosts   []capsule.Host
		err     error
		before  *corev1.Node
		ready   corev1.ConditionStatus
		message string
		cpus    int64
	}{
		{"up", []capsule.Host{upHost}, nil, nil, "True", "1 of 1", 2},
		{"one down", []capsule.Host{upHost, downHost}, nil, nil, "True", "host b is down: no answer", 2},
		{"all down", []capsule.Host{downHost}, nil, nil, "False", "host b is down: no answer", 0},
		{"none", nil, nil, nil, "False", "no host", 0},
		{"outage at start", nil, errDown, nil, "False", "not known yet", 0},
		{"outage later", nil, errDown, makeNode(cfg, []capsule.Host{upHost}, nil, nil), "True", "1 of 1", 2},
	} {
		n := makeNode(cfg, c.hosts, c.err, c.before)
		ready, server := n.Status.Conditions[0], n.Status.Conditions[len(n.Status.Conditions)-1]
		if ready.Type != corev1.NodeReady || ready.Status != c.ready || !strings.Contains(ready.Message, c.message) || n.Status.Capacity.Cpu().Value() != c.cpus {
			t.Errorf("%s: %+v, capacity %v", c.name, ready, n.Status.Capacity)
		}
		if server.Type != conditionServer || (server.Status == corev1.ConditionTrue) != (c.err != nil) {
			t.Errorf("%s: %+v", c.name, server)
		}
	}
}

type someHosts []capsule.Host

func (s *someHosts) Hosts(context.Context) ([]capsule.Host, error) {
	if *s == nil {
		return nil, errors.New("no answer")
	}
	return *s, nil
}

// What is bound to the node is admitted by what it has with all its hosts, also while one of them, or the server, is away.
func TestAllocatable(t *testing.T) {
	hosts := &someHosts{{Name: "a", Up: true, CPUs: 2}, {Name: "b", CPUs: 2}}
	n := &Node{cfg: Config{Name: "n", Hosts: hosts}}
	if n.Allocatable() != nil {
		t.Errorf("before anything is known: %v", n.Allocatable())
	}
	for range 2 {
		n.refresh(t.Context())
		all := n.Allocatable()
		if admits, shown := all.Cpu().Value(), n.now.Status.Allocatable.Cpu().Value(); admits != 4 || shown != 2 {
			t.Errorf("admits by %d CPUs and shows %d", admits, shown)
		}
		*hosts = nil
	}
}
