// Package scheduler decides which host a capsule lives on, and says why when there is none.
//
//	list + watch ──► cache ──► Place(capsule, hosts, placed) ──► ClaimCapsule
//	                             │ filters: which hosts can take it, and if not, why
//	                             └ weighers: which of these is best
//
// [Place] is pure. [Scheduler.Run] is the loop around it: it looks again at every capsule without a host whenever a capsule
// or a host changed, and every 30 seconds in any case. A pass decides for all waiting capsules, each knowing the ones
// decided before it, and then writes the claims side by side, so that a burst costs about one write.
//
// A claim is refused by the store when the capsule was claimed or deleted meanwhile; the event of that is on its way, and
// nothing needs to be done. Any other failed write is repeated with a back-off.
//
// Decisions (2026-11-20):
//   - Resources are counted as Kubernetes does: the requests (limits where there is no request) of all containers and
//     sidecars together, or of the greediest init container, whichever is more. Zun has the same filters
//     (openstack/zun: zun/scheduler/filters) and would count what containers use; requests keep a promise.
//   - A capsule without requests weighs 100m and 200Mi (Kubernetes: GetNonzeroRequests), or all of them would go to the
//     first host. It still fits everywhere.
//   - A claim is for life. A host that goes away keeps its capsules; whoever made them decides about them.
//   - (2026-11-25) Several servers on one etcd each have a scheduler, and an election says whose decides: two that decide in
//     the same millisecond would promise the same memory twice, though the store lets one claim win per capsule.
//   - (2026-11-25) The scheduler is also the one who misses hosts, because it sees all of them and somebody has to when the
//     server of a host is gone as well: a capsule whose host is away for 40 s is marked so, and is Unknown and not ready
//     until the host is back. One whose deletion is forced loses its record then.
package scheduler
