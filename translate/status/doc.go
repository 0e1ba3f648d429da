// Package status turns a capsule and its facts into what a kubelet would have reported of the Pod: phase, conditions,
// container states and events.
//
// # Times
//
// A condition's transition time is kept from the Pod's present status while the condition's status stays the same; when it
// changes, the time is that of the fact which changed it. No clock is read.
//
// # Terminal phases
//
// Succeeded and Failed are reported only when no container runs any more, and never left again: Virtual Kubelet writes no
// status after a terminal one, so the first one has to be complete.
package status
