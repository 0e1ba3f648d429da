// Package kubelet is the HTTPS endpoint of a virtual node: what the API server and collectors of metrics ask a kubelet.
//
//	connection ──► connLimit ──► gate (who, may they) ──► route, one of so many at a time
//
//	route ─┬─ pods, logs, sessions: Pods finds the pod, Containers reaches into it
//	       ├─ statistics: one report of Containers for all pods ──► metrics
//	       └─ health, configuration, log of this process
//
// It knows the pods by [Pods] and the capsule API by [Containers], and neither the workers that keep the one nor the client
// that speaks to the other.
//
// # What a client may have
//
// Connections, in all and from one address; time for a handshake, a head and an answer; requests at a time, those that last
// apart from those that are soon over; questions to the API server about who it is and what it may. What is over a limit is
// turned away at once (limits.go), so that nobody waits in a place that others need.
//
// Decisions (2026-11-20):
//   - The endpoint asks the API server by TokenReview and SubjectAccessReview directly, with a small cache, instead of
//     pulling in the API server's authenticator and its dependencies.
//   - Sessions (exec, attach, port-forward) pass through as bytes: the protocols are spoken by the capsule API, which has to
//     speak them anyway, and whatever a client negotiates works without being taken apart and put together here. What this
//     side adds is who may, which pod is meant, and the kubelet's words when it cannot be.
//   - A session needs the right to create, also when it is opened by GET (a WebSocket): a command is no reading. The kubelet
//     asks for get there.
//   - /logs has the end of this process' own log. A kubelet shows /var/log of its machine, which here is that of another:
//     what the hosts log is not this node's to show.
//   - /configz tells what of a kubelet's configuration is so here, in its type; what has no meaning here is not there.
package kubelet
