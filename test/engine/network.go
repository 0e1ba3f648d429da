package engine

import (
	"errors"
	"fmt"
)

// network is the addresses and names of engine number n.
type network struct {
	n int
	// unrouted: containers are not to be reached from here.
	unrouted bool
}

func (w network) veth() string   { return fmt.Sprintf("ce%d", w.n) }
func (w network) host() string   { return fmt.Sprintf("10.213.%d.1", w.n) }
func (w network) engine() string { return fmt.Sprintf("10.213.%d.2", w.n) }
func (w network) bip() string    { return fmt.Sprintf("172.30.%d.1/24", w.n) }
func (w network) subnet() string { return fmt.Sprintf("172.30.%d.0/24", w.n) }

// up joins the namespace to this one.
func (w network) up(ns *namespaces) error {
	peer := w.veth() + "p"
	for _, args := range [][]string{
		{"ip", "link", "add", w.veth(), "type", "veth", "peer", "name", peer},
		{"ip", "link", "set", peer, "netns", ns.path()},
		{"ip", "addr", "add", w.host() + "/24", "dev", w.veth()},
		{"ip", "link", "set", w.veth(), "up"},
		{"ip", "route", "replace", w.subnet(), "via", w.engine(), "dev", w.veth()},
	} {
		if w.unrouted && args[1] == "route" {
			continue
		}
		if err := outside(args...); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "link", "set", peer, "name", "eth0"},
		{"ip", "addr", "add", w.engine() + "/24", "dev", "eth0"},
		{"ip", "link", "set", "eth0", "up"},
		{"ip", "route", "add", "default", "via", w.host()},
	} {
		if err := ns.run(args...); err != nil {
			return err
		}
	}
	return w.forward("-I")
}

// forward adds (-I) or deletes (-D) the rules that let packets of this engine through the machine's own firewall. A
// machine without Docker's chain has no DROP policy to get around.
func (w network) forward(op string) error {
	if outside("iptables", "-n", "-L", "DOCKER-USER") != nil {
		return nil //nolint:nilerr // the error is the answer: there is no such chain
	}
	var errs []error
	for _, dir := range []string{"-i", "-o"} {
		if op == "-I" || outside("iptables", "-C", "DOCKER-USER", dir, w.veth(), "-j", "ACCEPT") == nil {
			errs = append(errs, outside("iptables", "-w", op, "DOCKER-USER", dir, w.veth(), "-j", "ACCEPT"))
		}
	}
	return errors.Join(errs...)
}

// admit lets packets from outside reach containers: dockerd sets its own FORWARD policy to DROP at each start.
func (w network) admit(ns *namespaces) error {
	if ns.run("iptables", "-C", "DOCKER-USER", "-i", "eth0", "-j", "ACCEPT") == nil {
		return nil
	}
	return ns.run("iptables", "-w", "-I", "DOCKER-USER", "-i", "eth0", "-j", "ACCEPT")
}

// partition drops (or lets through again) everything that comes from the engine's side and goes there.
func (w network) partition(on bool) error {
	op := "-I"
	if !on {
		op = "-D"
	}
	return errors.Join(
		outside("iptables", "-w", op, "INPUT", "-i", w.veth(), "-j", "DROP"),
		outside("iptables", "-w", op, "OUTPUT", "-o", w.veth(), "-j", "DROP"),
	)
}

// down removes what up made; what is not there is no error.
func (w network) down() error {
	errs := []error{w.forward("-D")}
	for outside("iptables", "-C", "INPUT", "-i", w.veth(), "-j", "DROP") == nil {
		if err := w.partition(false); err != nil {
			errs = append(errs, err)
			break
		}
	}
	// The kernel removes it by itself some time after the last process of the namespace has ended.
	if err := outside("ip", "link", "delete", w.veth()); err != nil && outside("ip", "link", "show", w.veth()) == nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
