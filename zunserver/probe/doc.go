// Package probe runs the probes of the containers of one host and keeps a table of what they say.
//
// There is one worker for each (run of a container, kind of probe). A worker belongs to one run: the next attempt of the
// container has another ID and starts from nothing.
//
//	kind       before its first result     after failureThreshold failures in a row   after successThreshold successes
//	startup    not started                 unhealthy (killed)                         started; its work is done
//	liveness   healthy                     unhealthy (killed)                         healthy
//	readiness  not ready                   not ready                                  ready
//
// Liveness and readiness wait for startup. Thresholds are a pure state ([state]); the workers only keep time.
//
// Decisions (2026-11-20): a start-up or readiness probe over the network is tried sooner than its period says until it
// first succeeds (50 ms, doubling up to the period); these early failures do not count. The kubelet lets a container
// that was not listening yet wait for a whole period.
package probe
