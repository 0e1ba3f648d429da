// Package provider is the virtual node: Virtual Kubelet's node and pod controllers on one side, the capsule API on the
// other.
//
//	kube-apiserver ──► pod informer ──► PodController ──► pods (accepts, never fails)
//	                        │                               │ one worker for each pod UID
//	                        └──────────── wake ───────────► │  sources → translate → create, delete, status, events
//	capsule API ──► tracker (list + watch) ──── wake ─────► │
//	                                                        └──► notify ──► PodController ──► vkclient.Pods (patch)
//
// # One worker for one pod
//
// Everything that happens to a pod is done by its worker, keyed by UID, so that a pod deleted and made again under one
// name is two workers that never meet. A worker is level-triggered: it is woken, looks at the pod in the informer and the
// capsule in the tracker, does the next step and sleeps. Nothing depends on a particular call of Virtual Kubelet: a pod
// that vanished from the API, for instance, is found out by looking.
//
// # What Virtual Kubelet's contract makes ours
//
//   - CreatePod accepts and returns nil; troubles are statuses and events and are tried again for ever. What can never work
//     makes the pod Failed with the reason UnsupportedField.
//   - Terminal statuses, also after DeletePod, and the removal of the Pod object once its capsule is gone.
//   - The notify callback may block for seconds: only workers call it, and never under a lock.
//   - Status goes out as a patch of the status alone (vkclient), so that labels changed meanwhile stay.
//
// # The rooms beside it
//
//   - sources: what pods refer to; it wakes the workers of those of which something changed.
//   - node: the Node object, made of the hosts.
//   - kubelet: the HTTPS endpoint, which sees the pods and reaches into capsules.
//   - vkclient: what Virtual Kubelet is given in place of plain clients.
//   - zun: the client of the capsule API.
//
// # Stopping
//
// When Run's context ends, workers stop where they are. Capsules run on and are adopted by the next start: a capsule
// carries the identity of its pod in annotations, and its UUID is the pod's UID.
//
// Decisions (2026-11-20):
//   - Pods are admitted as a kubelet admits them, against the sum of the hosts: what is over it fails at once. What fits the
//     sum and no single host waits with the scheduler's reasons, because another host or a pod that ends can help.
//   - A resize that the node has no room for leaves the capsule's resources as they are and everything else up to date.
//   - A pod or source that changes means: translate again, and change of the capsule what can be changed. The hash of the
//     result stands on the capsule, so that a restart asks for nothing that is there. It is made of the versions of
//     secrets and not of their content, because views show it.
//   - What lacks in a container's environment is told in Virtual Kubelet's words, too (OptionalSecretNotFound …): the kubelet
//     has none for what is optional.
//   - A status that tells of nothing but progress on the way up waits half a second, and is mostly overtaken; a patch is made
//     against the informer's pod, with its version as precondition, and reads the pod only when that is not the newest. In a
//     burst of Pods both together, with the agent's order of starts, brought the time until all are Ready from 1.25 to 1.07 of
//     the raw engine's (2026-11-25).
package provider
