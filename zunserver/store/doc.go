// Package store keeps the records of the capsule server in etcd: typed, with revisions, transactions and gap-free watches.
//
// # Schema
//
//	/capsulet/                          Config.Prefix
//	├── capsules/<uuid>                 one capsule.Capsule, sealed
//	├── disabled/<host>                 one capsule.Service as JSON, or empty: disabled; outlives leases
//	├── election/<host>/<lease>         who owns the host: the oldest key wins (etcd's concurrency.Election)
//	├── hosts/<host>                    one capsule.Host as JSON, bound to the owner's lease
//	├── lead/scheduler/<lease>          which server's scheduler decides, likewise
//	└── records/<table>/<key>           one record of a Table, sealed
//
// A capsule's value is "sealed:v1:<key id>:" followed by nonce and AES-256-GCM ciphertext of its JSON; the etcd key is
// the additional data, so that a record cannot be moved to another name. The key id (the first 8 hex digits of the key's
// SHA-256) only serves to say which key is missing.
//
// # Rooms
//
//	seal    encrypts records      member   the embedded etcd      replica  the copy of the capsules in memory
//
// # Who writes what
//
//	CreateCapsule   Spec, owner, CreatedAt      api
//	DeleteCapsule   Deletion                    api; removes the record when no host has it
//	UpdateSpec      what of Spec may change     api
//	UpdateStandalone  Spec, Standalone          api
//	ReviseCapsule   Spec, Upgrade, a successor  api
//	UpdateUpgrade   Upgrade                     upgrade
//	FinishUpgrade   Spec, Claim, Facts, Body    upgrade; of two records at once
//	ClaimCapsule    Claim                       scheduler
//	MarkAway        Claim.Away                  scheduler
//	UpdateFacts     Facts                       the agent of the claimed host
//	ExpireContainer Deletion; of a container    the agent of the claimed host, of a container with AutoRemove that has
//	                in a sandbox its Spec and   ended; whether it has is looked at in the same write
//	                Standalone, which go
//	RemoveCapsule   the end of the record       the agent, when nothing is left on the host; the scheduler, when the
//	                                            delete was forced and the host is away
//	HostLease.Put   the host                    the agent that holds the host's election
//	ChangeService   Disabled, ForcedDown …      api; the server at its start
//
// Every write of a capsule is a compare-and-swap on the record's revision: a writer that lost reads again and decides
// again, until its context ends. So a claim never lands on a deleted capsule and facts never revive a removed one.
//
// # List and watch
//
// A list answers the revision it is complete for; a watch since that revision sends every later change exactly once and
// in order, and bookmarks while nothing happens. It ends with one error event: OutOfRange when the history it needs was
// compacted (or never was: the data directory was replaced), ResourceExhausted when its reader is too slow, Unavailable
// when the store is gone. Whoever sees one lists again.
//
// # A copy in memory
//
//	write ─► etcd ─► one watch of all keys ─► replica: all capsules, decoded, by UUID
//	list  ─► etcd: what is the newest revision? ─► wait until the replica is there ─► its records
//
// So a list has every write that had ended when it began, on whichever server, and opens and decodes nothing. Without a replica (at
// the start, after etcd was away, when a record cannot be opened) a list reads etcd, and says what is wrong.
//
// The records are shared: by lists, by watches, by what single reads return. Nobody changes one; a writer replaces what it changes in
// a copy (see change). Config.DetectChanges finds those who do not.
//
// # Embedded server
//
// Without endpoints an etcd member runs inside the process. It has no listener at all, neither for clients nor for peers:
// the client calls it by function. A file lock on the data directory keeps a second process out, and because of it every
// lease found at start belongs to a dead process and is revoked, so that a restart takes its hosts back at once.
//
// Decisions (2026-11-20):
//   - One key per capsule (see package capsule); the store has no clock, all times come from the callers.
//   - One record that cannot be opened (wrong key, damage) fails the whole list and the watch. Skipping it would let an
//     agent sweep the containers of a capsule that exists.
//   - Snapshots every 1000 entries and 100 entries to catch up: one member needs no more, and raft holds them in memory.
//   - The store watches its whole prefix for the copy (2026-11-26): any write of ours moves it to the newest revision by itself. Only a
//     write of somebody else's in a shared etcd does not, and then a list asks for a progress notice.
//   - Every watch has a stream of its own (2026-11-26). On one stream, as etcd's client would have them, watches of the embedded member
//     that end while others are busy stopped all of them for good, in one of three runs of 100 watchers (TestWatchersComeAndGo).
//   - Compaction keeps 30 minutes of history.
package store
