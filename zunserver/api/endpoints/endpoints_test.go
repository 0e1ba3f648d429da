package endpoints

import (
	"fmt"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// good is a capsule of one container with one port, published everywhere.
func good() *capsule.Capsule {
	return &capsule.Capsule{
		UUID: "C", Claim: capsule.Claim{Host: "h1"},
		Spec: capsule.Spec{Containers: []capsule.ContainerSpec{{Name: "web", Ports: []capsule.Port{{ContainerPort: 80, HostPort: 8080}}}}},
		Facts: capsule.Facts{Sandbox: capsule.Sandbox{Ready: true, Addresses: []string{"172.17.0.2"},
			Networks: []capsule.Attachment{{Network: "bridge", Addresses: []string{"172.17.0.2"}}}}},
	}
}

func text(list []Endpoint) string {
	var lines []string
	for _, e := range list {
		lines = append(lines, fmt.Sprintf("%s %s:%d", e.Scope, e.Address, e.Port))
	}
	if len(list) > 0 {
		last := list[len(list)-1]
		lines = append(lines, fmt.Sprintf("= %s %d/%s", last.PortScope, last.ContainerPort, last.Protocol))
	}
	return strings.Join(lines, ", ")
}

func TestOf(t *testing.T) {
	port := func(c *capsule.Capsule) *capsule.Port { return &c.Spec.Containers[0].Ports[0] }
	for name, c := range map[string]struct {
		change func(*capsule.Capsule, *Addresses)
		want   string
	}{
		"published": {func(*capsule.Capsule, *Addresses) {},
			"host 127.0.0.1:8080, internal 172.17.0.2:80, cloud 192.0.2.1:8080, public 198.51.100.1:8080, = public 80/TCP"},
		"no public address": {func(_ *capsule.Capsule, a *Addresses) { a.Public = "" },
			"host 127.0.0.1:8080, internal 172.17.0.2:80, cloud 192.0.2.1:8080, = cloud 80/TCP"},
		"on every address": {func(c *capsule.Capsule, a *Addresses) { port(c).HostIP, a.Public = "0.0.0.0", "" },
			"host 127.0.0.1:8080, internal 172.17.0.2:80, cloud 192.0.2.1:8080, = cloud 80/TCP"},
		"not published": {func(c *capsule.Capsule, _ *Addresses) { port(c).HostPort = 0 },
			"host 172.17.0.2:80, internal 172.17.0.2:80, = internal 80/TCP"},
		"on loopback": {func(c *capsule.Capsule, _ *Addresses) { port(c).HostIP = "127.0.0.1" },
			"host 127.0.0.1:8080, internal 172.17.0.2:80, = internal 80/TCP"},
		"on one address": {func(c *capsule.Capsule, _ *Addresses) { port(c).HostIP = "192.0.2.7" },
			"host 192.0.2.7:8080, internal 172.17.0.2:80, cloud 192.0.2.7:8080, = cloud 80/TCP"},
		"on the public address": {func(c *capsule.Capsule, _ *Addresses) { port(c).HostIP = "198.51.100.1" },
			"host 198.51.100.1:8080, internal 172.17.0.2:80, public 198.51.100.1:8080, = public 80/TCP"},
		"for its host": {func(c *capsule.Capsule, _ *Addresses) { port(c).Scope, port(c).HostIP = "host", "127.0.0.1" },
			"host 127.0.0.1:8080, = host 80/TCP"},
		"for capsules": {func(c *capsule.Capsule, _ *Addresses) { port(c).Scope, port(c).HostPort = "internal", 0 },
			"host 172.17.0.2:80, internal 172.17.0.2:80, = internal 80/TCP"},
		"for the cloud": {func(c *capsule.Capsule, _ *Addresses) { port(c).Scope = "cloud" },
			"host 127.0.0.1:8080, internal 172.17.0.2:80, cloud 192.0.2.1:8080, = cloud 80/TCP"},
		"for the world, of which the host knows no address": {func(c *capsule.Capsule, a *Addresses) { port(c).Scope, a.Public = "public", "" },
			"host 127.0.0.1:8080, internal 172.17.0.2:80, cloud 192.0.2.1:8080, = cloud 80/TCP"},
		"UDP": {func(c *capsule.Capsule, a *Addresses) { port(c).Protocol, a.Public = "UDP", "" },
			"host 127.0.0.1:8080, internal 172.17.0.2:80, cloud 192.0.2.1:8080, = cloud 80/UDP"},
		"in the host's network": {func(c *capsule.Capsule, a *Addresses) {
			c.Spec.HostNetwork, port(c).HostPort, a.Public = true, 0, ""
			c.Facts.Sandbox.Addresses, c.Facts.Sandbox.Networks = []string{"192.0.2.1"}, nil
		}, "host 127.0.0.1:80, internal 192.0.2.1:80, cloud 192.0.2.1:80, = cloud 80/TCP"},
		"twice": {func(c *capsule.Capsule, a *Addresses) {
			a.Public = ""
			c.Spec.Containers = append(c.Spec.Containers, c.Spec.Containers[0])
		}, "host 127.0.0.1:8080, internal 172.17.0.2:80, cloud 192.0.2.1:8080, = cloud 80/TCP"},
		"no port":      {func(c *capsule.Capsule, _ *Addresses) { c.Spec.Containers[0].Ports = nil }, ""},
		"does not run": {func(c *capsule.Capsule, _ *Addresses) { c.Facts.Sandbox.Ready = false }, ""},
	} {
		one, host := good(), Addresses{Host: "192.0.2.1", Public: "198.51.100.1"}
		c.change(one, &host)
		if got := text(Of(one, "", host)); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
	if got := Of(good(), "db", Addresses{}); len(got) != 0 {
		t.Errorf("of another container: %v", got)
	}
}

func TestNearest(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c, from *capsule.Capsule)
		want   string
		reason string
	}{
		"the same host": {func(_, _ *capsule.Capsule) {}, "internal 172.17.0.2:80, = cloud 80/TCP", ""},
		"itself":        {func(_, from *capsule.Capsule) { from.UUID = "C" }, "host 127.0.0.1:80, = cloud 80/TCP", ""},
		"another host":  {func(_, from *capsule.Capsule) { from.Claim.Host = "h2" }, "cloud 192.0.2.1:8080, = cloud 80/TCP", ""},
		"not published, another host": {func(c, from *capsule.Capsule) {
			from.Claim.Host, c.Spec.Containers[0].Ports[0].HostPort = "h2", 0
		}, "", "port 80 of capsule C is not published"},
		"on loopback, another host": {func(c, from *capsule.Capsule) {
			from.Claim.Host, c.Spec.Containers[0].Ports[0].HostIP = "h2", "127.0.0.1"
		}, "", "capsule F is on another host"},
		"for its host, another capsule there": {func(c, _ *capsule.Capsule) { c.Spec.Containers[0].Ports[0].Scope = "host" }, "host 172.17.0.2:80, = host 80/TCP", ""},
		"for capsules there, another host": {func(c, from *capsule.Capsule) {
			from.Claim.Host, c.Spec.Containers[0].Ports[0].Scope = "h2", "internal"
		}, "", "port 80 of capsule C has the scope internal, and capsule F is on another host"},
		"another network": {func(_, from *capsule.Capsule) { from.Facts.Sandbox.Networks[0].Network = "other" },
			"cloud 192.0.2.1:8080, = cloud 80/TCP", ""},
		"not published, another network": {func(c, from *capsule.Capsule) {
			from.Facts.Sandbox.Networks[0].Network, c.Spec.Containers[0].Ports[0].HostPort = "other", 0
		}, "", "capsule F is in no network of its"},
		"out of the host's network": {func(_, from *capsule.Capsule) { from.Spec.HostNetwork, from.Facts.Sandbox.Networks = true, nil },
			"host 127.0.0.1:8080, = cloud 80/TCP", ""},
		"both in the host's network": {func(c, from *capsule.Capsule) { c.Spec.HostNetwork, from.Spec.HostNetwork = true, true },
			"host 127.0.0.1:80, = cloud 80/TCP", ""},
		"does not run": {func(c, _ *capsule.Capsule) { c.Facts.Sandbox.Ready = false }, "", "capsule C does not run"},
		"from nowhere": {func(_, from *capsule.Capsule) { from.Claim.Host = "" }, "", "capsule F is on no host yet"},
		"no port":      {func(c, _ *capsule.Capsule) { c.Spec.Containers[0].Ports = nil }, "", "capsule C names no port"},
	} {
		one, from := good(), good()
		from.UUID = "F"
		c.change(one, from)
		list, reason := Nearest(one, "", Addresses{Host: "192.0.2.1"}, from)
		if got := text(list); got != c.want || !strings.Contains(reason, c.reason) || c.reason == "" && reason != "" {
			t.Errorf("%s: %s (%s), want %s (%s)", name, got, reason, c.want, c.reason)
		}
	}
}
