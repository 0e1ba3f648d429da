// Package node keeps the Node object of a virtual node, with Virtual Kubelet's node controller: what it is made of comes
// from the container hosts that the capsule API knows.
//
//	hosts ──every 10 s──► makeNode (capacity, conditions, what the machines are) ──► node controller ──► Node, Lease
//
// A Node that is there at the start is brought to the labels and the taint that are configured now, and one that somebody
// deleted is registered again.
//
// Decisions (2026-11-20): the node stays Ready while the capsule API does not answer: pods that run go on running, new ones
// wait. The condition CapsuleServerUnavailable says so. It is not Ready when the server says that no host is up.
package node
