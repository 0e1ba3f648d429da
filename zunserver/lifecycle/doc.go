// Package lifecycle decides what to do with one capsule. It is pure: no clock, no context, no I/O, no logger. The agent
// observes, asks, and executes.
//
//	          stored record        what the host shows       probe results
//	               │                       │                       │
//	               ▼                       ▼                       ▼
//	Advance ── facts' = facts + observations ──► written to the store when they differ
//	               │
//	               ▼
//	Decide ─── a Plan: actions that may run now, each with its cause, and when to look again
//
// A plan proposes everything that is possible at this moment and at most one action for each container and for the sandbox;
// actions without an order between them run side by side. It is level-triggered: nothing is remembered between two calls
// but what the record and the host say, so a crash between any two actions is just another observation.
//
// # The way up
//
//	volumes ─► create sandbox ─► start sandbox ─┐
//	                  │                         ▼
//	                  └► create container ─► start container     (a created sandbox is enough to create in;
//	                                                              init containers come one after another, first)
//
// # The way down
//
//	stop main containers ─► stop sidecars, last first ─► facts say stopped (written) ─► remove containers ─► remove
//	sandbox ─► remove volumes and record
//
// Removal waits for the *stored* StoppedAt, so that whoever watches has seen the exit codes before the record goes.
//
// # The machine of one container
//
//	                       ┌───────────────── back-off over, policy says again ────────────────┐
//	                       ▼                                                                   │
//	(none) ──create──► created ──start──► running ──exit / liveness / sandbox gone──► exited ──┴─► end
//	                       │                                                             ▲
//	                       └────────── start refused (exit 126, 127, 128) ───────────────┘
//
// Decisions (2026-11-20):
//   - A created container that never ran is not a fact: it is recreated under the same attempt if need be, so that
//     RestartCount counts what really ran.
//   - The back-off is the kubelet's: the first restart is immediate, then 10 s doubling to 300 s after the end of the
//     run, and none again after a run of more than ten minutes.
//   - An ephemeral container runs once in the sandbox that is there; nothing waits for it and nothing ends with it.
//   - Resources are compared between the spec and what the facts say the engine was last given, not what the engine shows:
//     an engine that rounds or ignores a limit must not be told again and again.
//   - A probe that goes on failing is a fact once in ten seconds; a write of the store for each period would be the most
//     frequent thing that an unhealthy capsule does.
//   - A dead sandbox takes its containers with it (they sit in a dead network namespace) and is replaced; under
//     RestartNever a capsule whose containers ran is ended instead, as the kubelet does.
package lifecycle
