// Package kubelet is the HTTPS endpoint of a virtual node: what the API server and collectors of metrics ask a kubelet.
//
//	request ──► gate (who, may they) ──► route ─┬─ pods, logs, sessions: Pods finds the pod, Containers reaches into it
//	                                            └─ statistics: one report of Containers for all pods ──► metrics
//
// It knows the pods by [Pods] and the capsule API by [Containers], and neither the workers that keep the one nor the client
// that speaks to the other.
//
// Decisions (2026-11-20):
//   - The endpoint asks the API server by TokenReview and SubjectAccessReview directly, with a small cache, instead of
//     pulling in the API server's authenticator and its dependencies.
//   - Sessions (exec, attach, port-forward) pass through as bytes: the protocols are spoken by the capsule API, which has to
//     speak them anyway, and whatever a client negotiates works without being taken apart and put together here. What this
//     side adds is who may, which pod is meant, and the kubelet's words when it cannot be.
//   - A session needs the right to create, also when it is opened by GET (a WebSocket): a command is no reading. The kubelet
//     asks for get there.
package kubelet
