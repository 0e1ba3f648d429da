// Package sources knows what pods refer to: ConfigMaps, Secrets, claims and what they are bound to, tokens of service
// accounts, services and runtime classes. It reads them for a pod and wakes the pod when one of them is another.
//
//	Sources ─┬─ objects: one reflector for each one in use ─────────────────┐
//	         ├─ tokens: by TokenRequest, renewed at 80 % of their life ──────┼─► Changed, for each pod that uses it
//	         └─ services, runtime classes: read, some seconds old at most    ┘
//
// Fetch says from which moment a pod uses what it refers to, Release that it needs nothing any more. What does not exist is
// no error here: translate knows whether it is needed.
//
// Decisions (2026-11-20):
//   - Secrets and ConfigMaps are watched one by one while a pod of this node uses them, as the kubelet does, not by
//     informers that would hold every secret of the cluster. An immutable one is read once.
//   - What Fetch marks sources with are their versions and not their content, because hashes of the marks are shown.
package sources
