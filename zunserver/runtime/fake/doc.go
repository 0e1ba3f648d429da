// Package fake is a container host in memory that behaves: processes that run, end, ignore signals and print, images
// that take time to pull, an engine that fails, restarts and disappears. It passes the same suite as runtime/docker
// (runtimetest), so what is tested against it holds on an engine.
//
// # One engine, several views
//
// [New] makes an engine and a view of it as one instance; [Host.As] is the same engine seen by another instance.
// Everything on [Host] that is not a method of runtime.Host is the hand of the test: it acts on the engine at once,
// also during a partition, and is safe for concurrent use.
//
//	test ──► AddImage, Crash, Partition, Restart, SetFault …  ┐
//	                                                          ├─ engine (one mutex)
//	agent ─► runtime.Host: Create, Start, Stop, Events …      ┘
//
// A call goes: delay hook → partition → fault hook → the operation → answer hook. The hooks are called without the lock,
// so that they may use the host themselves.
//
// # Time
//
// Time is real through a small [Clock]. In a bubble of testing/synctest it needs no clock of its own.
//
// # What it watches
//
// [Host.Violations] lists every breach of the two promises that must never be broken: one name is started once, and
// no two live containers are the same container of one capsule. [Host.Calls] is the journal of everything that changes.
//
// Decisions (2026-11-20): a process is data (a [Behaviour]), not a goroutine with a script, so that a test reads like
// a table; what depends on the command line or the attempt is a function from configuration to Behaviour.
package fake
