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
// # Containers that their owners start and stop
//
// A container of the container API ([capsule.Standalone]) is brought to what its owner wants, by comparing Want with the facts:
//
//	                 Starts raised, or the policy after its back-off: in place, the same engine container
//	                           ┌──────────────────────────────────────────┐
//	                           ▼                                          │
//	(none) ──create──► created ──start──► running ◄──pause──► frozen ──► exited ──► end
//	   ▲                                     │ Rebuild raised
//	   └── another engine container, made before the old one is stopped ──┘
//
// Whether a run answers the newest start is known by its number: Facts.Starting is written first, the engine is asked then, and
// the run that is seen next bears it. Which rebuild an engine container was made for, its label says. So a crash between
// any two steps starts nothing twice and takes nothing for what it is not. A created container is a fact here, because its owner
// may want no more.
//
// Their sandbox stays up until the record goes. When it dies it is started again in place, because its containers can be started
// again only in the one that they have; after four failures another one takes its place, and they are made again.
//
// Decisions (2026-11-26):
//   - A rebuild makes the new container before the old one goes: an image that does not come stops nothing.
//   - The back-off of standalone containers is like Docker's, in whole seconds, and so is what comes back after a reboot of the
//     host: what the policy says. What its owner has stopped stays so.
//   - A start that the engine refuses is answered by that ([Refuse]): a run that has ended at once, which its policy may restart. One
//     that the engine was not asked for, because the sandbox does not run, is tried again.
//   - A container that vanished from the engine is an error and not a restart, as in Zun, unless it has AutoHeal.
//
// # Another definition
//
// An image that changes in place raises the container's Definition; each engine container says on its label of which one it was
// made. What runs and is of an older one is stopped as for a deletion and made again in its sandbox, whatever its restart policy:
// that it ends for this is written first (Run.Stopping), so that the end is not taken for the container's own. What was created
// and not started goes; back-off and failures are those of a definition. Init containers that have ended stay (kubelet:
// computePodActions, "definition changed").
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
