// Package chaos hurts the real server on real Docker and looks whether it heals. It has tests only.
//
//	TestKillServer      creates and deletes over REST, SIGKILL to `capsulet serve` at random moments, more than fifty times;
//	                    then: nothing that was accepted is lost, nothing is left over, nothing was started twice
//	TestEngineTrouble   what happens to an engine and to what stands on it, one scenario each: the capsule says what is wrong,
//	                    and is well again when the cause is gone
//
// # What the kill test believes
//
// Not the server: the engine's own event stream, recorded from the first to the last moment, and the engine's list at the
// end. Each container ID has at most one start; each (capsule, container) has at most one life at a time and, because
// nothing in these capsules crashes, exactly one life; nothing dies in a capsule that nobody asked to delete. A create or a
// delete whose answer was lost with the server is asked again under the same UUID, as a client of capsulet would.
//
// A failed run prints its seed and keeps the server's log.
//
// Decisions (2026-11-20):
//   - the operations and the kills are two independent random streams, so that a kill falls on any moment of any operation,
//     the start of the server included; the seed fixes what is drawn, not what the scheduler of the machine makes of it.
//   - the kill test uses the machine's engine, the trouble test a private one (test/engine), because it breaks it.
package chaos
