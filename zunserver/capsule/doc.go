// Package capsule is the vocabulary of the capsule server: plain types that every other room speaks and no behaviour
// beyond reading them.
//
// # One record, three writers
//
// A [Capsule] has one revision and is written as a whole, but each part of it has exactly one writer, and the store
// offers one narrow method for each:
//
//	part       what it is                           writer
//	Spec       what was asked for                   api        (on create; what may change later: Spec.Adopt)
//	Standalone what owners of containers want       api        (a container with AutoRemove that has ended goes by the agent's)
//	Deletion   that it shall go, when, how gently   api        (on delete; the grace may only shrink; likewise)
//	Claim      where it shall live                  scheduler
//	Facts      what was observed                    the agent of the claimed host
//
// An upgrade is the one exception: when a new revision is healthy, one write exchanges spec, claim and facts between its record
// and the capsule's ([Capsule.Body], package upgrade).
//
// # Facts, not words
//
// Facts are observations with times: created, started, finished, exit code, attempt, ready. Words that people read
// (Running, CrashLoopBackOff, Succeeded) are derived from facts whenever somebody asks and are never stored, so that no
// two of them can disagree. The derivations that need no Kubernetes word are methods here ([Capsule.Status],
// [ContainerFacts.State]); the Kubernetes ones live in translate.
//
//	            create          start             exit
//	(absent) ──────────► created ─────► running ────────► exited ──► next attempt (a new container) or end
//	                        └──── start refused ────────────▲
//
// # Leaf types
//
// Probe, Lifecycle, SecurityContext and their like are the leaf types of k8s.io/api/core/v1: a well-kept vocabulary that
// needs no twin. Nothing here has a Kubernetes object, a client or a Docker type in it.
//
// Decisions (2026-11-20): one key per capsule rather than one per part, because a watcher then sees a consistent capsule
// in each event and never has to join three streams; writers meet only on the revision, and retry.
package capsule
