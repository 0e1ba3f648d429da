// Package upgrade brings new revisions of capsules up beside the former ones, and takes them over when they are healthy
// (openstack/zun: the specification of container composition, "Upgrade and rollback").
//
//	PATCH ──► one write: Upgrade of the capsule + a record of KindSuccessor with the new spec
//	             │ scheduler and agents treat that record as any other: it gets a host, containers, facts
//	             ▼
//	Decide(capsule, successor, now) ──► wait
//	                                ├─► take over: one write exchanges spec, claim, facts and body of the two records;
//	                                │   the successor has the former revision then, and a deletion
//	                                └─► give up: the capsule says why in Upgrade.Failed, the successor is deleted
//
// So the capsule keeps its UUID, its name and its record while what it is made of on a host changes, and with it its address. A
// record is what was asked for, a body is what is there: package bodies keeps the two apart for agents.
//
// # What is healthy
//
// All containers run and are ready, sidecars too, or have come to their good end and stay so, for [Config.Settle] without a
// change: a container without a readiness probe that ends a second after its start is not healthy. The default is what
// Docker's services watch a new task for, five seconds. The deadline is the capsule's own (Upgrade.Deadline, ten minutes unless
// the PATCH says otherwise, as a Deployment's progressDeadlineSeconds). What cannot become healthy any more is given up at once:
// it has ended, its record is gone, or it needs a host port that the former revision holds on the only host that would do.
//
// # What it shares with the former revision
//
// Nothing that is the capsule's own: its volumes are empty at first. Directories of the host and NFS are shared, by both at once for
// a while. Resources of both are promised while both are there.
//
// # Crashes, races
//
// The loop is level-triggered and remembers nothing: what is under way is in the records. The take-over is one write on
// the revisions of both records, and asks once more whether the successor that is written is healthy; so a deletion, another PATCH or
// a crash of the new revision between the decision and the write makes it void. A successor that its capsule does not name (any
// more), or whose capsule goes, is deleted; that is asked of the store and not of what was watched, because the two records
// of a new upgrade come in two events. Of several servers one leads.
package upgrade
