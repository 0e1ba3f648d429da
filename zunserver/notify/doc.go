// Package notify tells others of what happens to capsules, containers and sandboxes: a POST of JSON for each event to every
// URL of the configuration.
//
//	watch ─ record ─► compare with what was told last (events.go) ─► payload.go ─► POST, retried (send.go) ─► mark
//	                                 ▲                                                                         │
//	                                 └───────────────────────── table "notifications" ◄────────────────────────┘
//
// # Events
//
// <kind> is capsule, container or sandbox, by the API that made the record:
//
//	<kind>.create.end  <kind>.schedule.end  <kind>.update.end  <kind>.start.end  <kind>.error
//	<kind>.delete.start  <kind>.delete.end  <kind>.container_start.end  <kind>.container_die.end
//	notification.resync   changes between were compacted before they could be told: what is known now follows
//
// The envelope is that of OpenStack's versioned notifications (nova: doc/source/reference/notifications.rst), with
// capsulet_object in place of nova_object; the version of the payload grows with what is added to it, and its major number
// when something changes its meaning.
//
//	X-Capsulet-Event      the type         X-Capsulet-Delivery   message_id
//	X-Capsulet-Signature  sha256=<hex>, the HMAC of the body with the target's secret, if it has one
//
// # What is promised
//
// At least once, in the order of the store. An event's message_id follows from the change itself, so that it is the same when it
// is told again. What is told is marked in the store after the receiver has said 2xx: a process that dies loses nothing, and one
// server sends at a time (the election "notifications"). A receiver that is down holds up its own events, not those of others, and
// they wait in the store's history and not in memory. 400, 413, 415 and 422 are a receiver's refusal of this event, which is
// logged and not repeated; everything else is tried again, for ever.
//
// Decisions (2026-11-26): the difference between the record and what was told of it last is what makes an event, not the write:
// it is right also after a gap. One event at a time per target keeps the order with no bookkeeping. Nobody is told of what was
// there before a target was configured. Redirects are not followed, because the secret was meant for one receiver.
package notify
