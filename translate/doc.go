// Package translate is the border between Kubernetes and capsules: a Pod with its resolved sources becomes a capsule
// specification, and a capsule with its facts becomes a PodStatus and events. It has a room for each direction and one
// for each question that a Pod is asked before:
//
//	support.Refuse(pod) ──► nil | Refusals (never: a field asks for what this node will not do)
//	admission.Reject(pod, Node) ──► nil | *Rejection (never: the kubelet's own refusals)
//	Needs(pod) ──► the provider fetches ──► Sources
//	Template(pod, Sources, held) ──► capsule.Spec, what lacks | support.Refusals
//	status.Of(pod, capsule) ──► corev1.PodStatus
//	status.Events(pod, before, after) ──► the events a kubelet would have recorded
//
//	status ──► translate ──► support ──► podspec      who imports whom
//	   └─────► admission ─────────────────► podspec
//
// Everything under translate is pure: no I/O, no clock, no context, no map order in results. The same input gives the
// same output, byte for byte, because Virtual Kubelet finds out whether a status is new by comparing it with the one
// before.
//
// Decisions (2026-11-20):
//   - $(NAME) in values, commands and arguments is left to the agent, which alone knows the capsule's addresses; values
//     from ConfigMaps, Secrets and fields are marked literal.
//   - A source that is missing holds the whole pod back, not one container, because a capsule is created as a whole. One that
//     goes later holds nothing back: the capsule keeps what it has of it. A container that starts again meanwhile starts with
//     the environment that it had, where a kubelet would not start it.
//   - A pull secret that is missing holds nothing back, as on a kubelet: an event says so, and an image that does need it
//     shows ErrImagePull with the registry's answer.
package translate
