package runtime

import "strconv"

// The labels that carry an Identity on a container.
const (
	LabelInstance       = "io.capsulet.instance"
	LabelCapsule        = "io.capsulet.capsule"
	LabelCapsuleName    = "io.capsulet.capsule-name"
	LabelContainer      = "io.capsulet.container"
	LabelAttempt        = "io.capsulet.attempt"
	LabelSandboxAttempt = "io.capsulet.sandbox-attempt"
	LabelMade           = "io.capsulet.made"
	// LabelNetwork is on networks: the UUID that the API knows one by.
	LabelNetwork = "io.capsulet.network"
)

// Labels are the identity in the form that a container carries. A sandbox has no container label.
func (i Identity) Labels() map[string]string {
	labels := map[string]string{
		LabelInstance:       i.Instance,
		LabelCapsule:        i.Capsule,
		LabelCapsuleName:    i.CapsuleName,
		LabelAttempt:        strconv.Itoa(i.Attempt),
		LabelSandboxAttempt: strconv.Itoa(i.SandboxAttempt),
	}
	if !i.Sandbox() {
		labels[LabelContainer] = i.Container
	}
	if i.Made > 0 {
		labels[LabelMade] = strconv.FormatInt(i.Made, 10)
	}
	return labels
}

// IdentityOf reads an identity from labels; what is absent or no number stays zero.
func IdentityOf(labels map[string]string) Identity {
	attempt, _ := strconv.Atoi(labels[LabelAttempt])
	sandboxAttempt, _ := strconv.Atoi(labels[LabelSandboxAttempt])
	made, _ := strconv.ParseInt(labels[LabelMade], 10, 64)
	return Identity{
		Instance:       labels[LabelInstance],
		Capsule:        labels[LabelCapsule],
		CapsuleName:    labels[LabelCapsuleName],
		Container:      labels[LabelContainer],
		Attempt:        attempt,
		SandboxAttempt: sandboxAttempt,
		Made:           made,
	}
}
