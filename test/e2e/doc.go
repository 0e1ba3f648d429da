// Package e2e runs capsulet as its users do: the real `capsulet run` on the machine's Docker engine, behind a real
// Kubernetes control plane, driven by kubectl and looked at from outside.
//
//	TestMain ─► World: control plane, image, capsulet under an instance label and ports of its own ─► scenarios ─► nothing left
//
// # Scenarios
//
// A scenario is an intent (its title says what a user relies on) and steps, each a command and an observable state. It
// has a namespace of its own and may run beside others. A step waits for its state and says what it saw last when the
// state does not come. When a scenario fails, its bundle (describe, events, logs, docker ps, capsulet's log) is printed
// and written to $CAPSULET_E2E_OUT when that is set; CAPSULET_E2E_KEEP=1 keeps the namespace and the world's directory.
//
// Every scenario ends with a check that its namespace leaves no container behind, and the world with a check that
// nothing with its instance label is on the engine.
//
// # The test image
//
// Everything in the containers is test/e2e/app: one static program whose arguments choose a behaviour.
//
// Decisions (2026-11-20):
//   - kubectl rather than a client library: what a user types is what is proven, and a failed step can be repeated by
//     hand.
//   - one world for all scenarios: a control plane takes ten seconds and the scenarios must not disturb each other
//     anyway. What stops or kills capsulet or the engine makes a world of its own with [NewWorld].
package e2e
