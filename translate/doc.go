// Package translate is the border between Kubernetes and capsules: a Pod with its resolved sources becomes a capsule
// specification, and a capsule with its facts becomes a PodStatus and events.
//
//	Needs(pod) ──► the provider fetches ──► Sources
//	Template(pod, Sources) ──► capsule.Spec | *Refusal (never) | *Missing (not yet)
//	PodStatus(pod, capsule) ──► corev1.PodStatus
//	Events(pod, before, after) ──► the events a kubelet would have recorded
//
// Everything here is pure: no I/O, no clock, no context, no map order in results. The same input gives the same output,
// byte for byte, because Virtual Kubelet finds out whether a status is new by comparing it with the one before.
//
// # Never silently
//
// fields.go has one table with a verdict for every field of every Kubernetes type that can be reached from a PodSpec:
// mapped, partly mapped, ignored (with the reason) or refused (with the reason). [Template] walks the Pod by that table,
// and a test walks the Kubernetes types by it, so that a field that Kubernetes adds fails the build first.
//
// # Times
//
// A condition's transition time is kept from the Pod's present status while the condition's status stays the same; when it
// changes, the time is that of the fact which changed it. No clock is read.
//
// # Terminal phases
//
// Succeeded and Failed are reported only when no container runs any more, and never left again: Virtual Kubelet writes no
// status after a terminal one, so the first one has to be complete.
//
// Decisions (2026-11-20):
//   - $(NAME) in values, commands and arguments is left to the agent, which alone knows the capsule's addresses; values
//     from ConfigMaps, Secrets and fields are marked literal.
//   - A source that is missing holds the whole pod back, not one container, because a capsule is created as a whole.
//   - A pull secret that is missing holds nothing back, as on a kubelet: an event says so, and an image that does need it
//     shows ErrImagePull with the registry's answer.
package translate
