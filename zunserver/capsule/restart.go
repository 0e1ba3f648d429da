package capsule

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Sidecar says whether an init container goes on beside the main ones.
func (cs *ContainerSpec) Sidecar() bool {
	return cs.RestartPolicy != nil && *cs.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// Restarts says whether a run of the container that ended with exitCode is followed by another one: by the container's
// own policy or the capsule's, where Always means OnFailure for an init container (Kubernetes: core/v1 PodSpec
// initContainers). An ephemeral container runs once.
func (s *Spec) Restarts(cs *ContainerSpec, init bool, exitCode int) bool {
	if s.Ephemeral(cs.Name) {
		return false
	}
	if cs.ruled(exitCode) {
		return true
	}
	policy := s.RestartPolicy
	if init && policy == RestartAlways {
		policy = RestartOnFailure
	}
	if cs.RestartPolicy != nil {
		policy = RestartPolicy(*cs.RestartPolicy)
	}
	return policy == RestartAlways || policy == RestartOnFailure && exitCode != 0
}

// Again says whether a run of the container that has ended is followed by another one: because its definition changed while it
// ran, or as [Spec.Restarts] says.
func (s *Spec) Again(cs *ContainerSpec, init bool, r *Run) bool {
	return r.Redefined() || s.Restarts(cs, init, r.ExitCode)
}

// ruled says whether a rule of the container's own asks for another run after that exit code.
func (cs *ContainerSpec) ruled(exitCode int) bool {
	for _, r := range cs.RestartPolicyRules {
		if r.ExitCodes == nil {
			continue
		}
		in := slices.Contains(r.ExitCodes.Values, int32(exitCode))
		if in == (r.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return r.Action == corev1.ContainerRestartRuleActionRestart
		}
	}
	return false
}

// Done says whether the capsule has come to its own end: nothing of it will be started again. Sidecars may still run. What its
// owner starts and stops has no end of its own; such a container inside of a capsule holds its end up while it is wanted.
func (c *Capsule) Done() bool {
	if c.Facts.End != nil || c.Kind.standalone() {
		return c.Facts.End != nil
	}
	for i := range c.Spec.InitContainers {
		cs := &c.Spec.InitContainers[i]
		r := c.Facts.run(cs.Name)
		if !cs.Sidecar() && r.State() == StateExited && r.ExitCode != 0 && !c.Spec.Restarts(cs, true, r.ExitCode) {
			return true
		}
	}
	for i := range c.Spec.Containers {
		cs := &c.Spec.Containers[i]
		r := c.Facts.run(cs.Name)
		if own := c.StandaloneOf(cs.Name); own != nil {
			if own.Want.Up() && (r.State() != StateExited || r.Starts < own.Want.Starts || own.Restarts(r)) {
				return false
			}
			continue
		}
		if r.State() != StateExited || c.Spec.Again(cs, false, r) {
			return false
		}
	}
	return true
}

// run is the newest attempt of a container, or nil.
func (f *Facts) run(name string) *Run {
	if cf := f.Container(name); cf != nil {
		return cf.Run
	}
	return nil
}
