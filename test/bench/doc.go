// Command bench measures capsulet against the bare Engine API and a kubelet: how long a capsule and a Pod take to come up,
// how long the end of a container takes to reach a Pod, and what Pods cost that do nothing.
//
//	go run ./test/bench            everything, some minutes; writes docs/benchmarks.md
//	go run ./test/bench -quick     few rounds, prints only: is it alive, is the order of magnitude right
//	go run ./test/bench -only single -trace   each call to the engine with its time, to see where time goes
//
// # Rooms
//
//	capsules  through the capsule API      raw     by hand, with the Engine API      round   taking turns, traces
//	pods      through Kubernetes           report  figures, bars, the file
//	api       without an engine: lists, creations, watches (fakeserver is its server)      proc  memory and processor time
//
// # What is compared
//
//	single   POST of one capsule ─► the native watch shows all of its containers running
//	  raw    sandbox created ─► apps created while it starts ─► apps started all at once ─► all inspected
//	burst    20 capsules of one app, all posted at once ─► all running
//	  raw    the same work by four workers, each in the order above
//	logs     a log of 30 MB, followed          raw   the engine's own
//	exec     a command that ends at once       raw   created, started and inspected
//	forward  128 MB out of a port              raw   directly from the capsule's address
//	api      1,000 capsules of three containers created; pages of 100 listed; 100 watchers that all see every revision
//	status   a container's FinishedAt ─► a Kubernetes watch shows its Pod's container as terminated
//	pods     Pod created ─► a Kubernetes watch shows it (the last of 20, of 50) as Ready
//	  raw    as for single and burst
//	idle     100 Pods with a probe each: memory and processor time of capsulet, from /proc
//	         and then how long a scrape of their figures takes, and what it costs the engine
//	delete   for information: DELETE with no grace ─► the record is gone; raw: apps removed at once, then the sandbox
//
// Both sides run in this process against one engine, take turns, and change who goes first each round, so that what the
// machine does besides falls on both. The containers are the same: image, options, labels. The raw side is the best order
// that the Engine API allows, not a straw man, and it keeps no records.
//
// Decisions (2026-11-20):
//   - the bar is on the ratio of medians: a stall of a shared machine hits one round, not the figure.
//   - this room may use Docker's client library: the comparison would be with something else otherwise.
//   - the bars of pods are times of a kubelet on such a machine, not ratios: the raw side beside them tells a slow capsulet
//     from a slow machine.
//   - status, pods and idle are measured on the real control plane and the real `capsulet run`, because that is the path users have.
package main
