// Package zunserver is the capsule server: it puts the rooms beneath it together and owns their lifetimes.
//
//	         Handler, Transport
//	                │
//	auth ◄──────── api ──► store (etcd) ◄──► scheduler
//	                         ▲
//	                         └──────────────► agent, one for each host ──► runtime ──► Docker host
//
// What each room does and may import is in DESIGN terms: api writes specs and deletions, scheduler writes claims, an
// agent writes facts; they meet only in the store. api never calls an agent but for streams (logs, sessions, ports),
// through the interfaces that it declares itself.
//
// # Lifetime
//
// New opens the store and connects nothing else; Run starts every loop and returns when its context ends or when a part
// dies for good. Containers stay as they are when it returns. Close gives the store back.
//
// Decisions (2026-11-20):
//   - the embedded server is reached by the provider through Transport, an in-memory connection that speaks the same
//     HTTP as everybody, with a token made for this process alone: no socket file to protect, one code path.
package zunserver
