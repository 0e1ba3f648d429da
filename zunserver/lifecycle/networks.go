package lifecycle

import (
	"slices"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// networks plans the way of a sandbox into the networks that the spec asks for; it is false when it needs none.
func (d *decision) networks(s *Instance) bool {
	if !astray(&d.c.Spec, s) {
		return false
	}
	if d.mayRetry(d.c.Facts.Failure) {
		d.plan.add(Action{Op: Connect, ID: s.ID, Attempt: s.Attempt, Cause: "its networks are not those of the spec"})
	}
	return true
}

// astray says that a sandbox is not in the networks that the spec asks for, or is in others.
func astray(spec *capsule.Spec, s *Instance) bool {
	if spec.HostNetwork || s == nil || s.Networks == nil {
		return false // nil: nobody has looked
	}
	if len(spec.Nets) == 0 && len(s.Networks) == 1 && s.Networks[0].Network == capsule.NoNetwork {
		return false // nothing was asked for, and the engine has no bridge
	}
	join, leave := Moves(spec.SandboxNets(), s.Networks)
	return len(join)+len(leave) > 0
}

// Moves are the networks that a sandbox has to be put into, and those, by their names on the engine, that it has to be taken
// out of.
func Moves(wanted []capsule.Net, in []capsule.Attachment) (join []capsule.Net, leave []string) {
	keep := map[string]bool{}
	for _, n := range wanted {
		name := capsule.EngineNetwork(n.Network)
		i := slices.IndexFunc(in, func(a capsule.Attachment) bool { return a.Network == name })
		switch {
		case i < 0:
			join = append(join, n)
		case moved(n, in[i]): // out now, and in again with the next look
			continue
		}
		keep[name] = true
	}
	for _, a := range in {
		if !keep[a.Network] && (a.Network != capsule.NoNetwork || len(join) > 0) {
			leave = append(leave, a.Network)
		}
	}
	return join, leave
}

// moved says that the sandbox has other addresses than the fixed ones. One that does not run has none.
func moved(n capsule.Net, a capsule.Attachment) bool {
	if len(a.Addresses) == 0 {
		return false
	}
	for _, fixed := range []string{n.IPv4, n.IPv6} {
		if fixed != "" && !slices.Contains(a.Addresses, fixed) {
			return true
		}
	}
	return false
}

// attachments are those of the networks that are some.
func attachments(all []capsule.Attachment) []capsule.Attachment {
	var shown []capsule.Attachment
	for _, a := range all {
		if a.Network != capsule.HostNetwork && a.Network != capsule.NoNetwork {
			shown = append(shown, a)
		}
	}
	return shown
}
