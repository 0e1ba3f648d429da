// Package world tests the whole system in one process, under the race detector and in milliseconds: what kubectl and a
// kubelet's users rely on, as "Pod in, PodStatus out".
//
//	client-go's fake clientset ◄─► provider ◄─ in-memory transport ─► zunserver ◄─► runtime/fake
//	  (deletes with a grace period,                              (embedded etcd in a
//	   UID preconditions)                                         temporary directory)
//
// Everything between the two fakes is what capsulet runs in earnest: the same HTTP, the same store, the same loops. A
// world has hands for what happens from outside: a container that crashes, a host that does not answer, a server or a
// node that ends and starts again on the same data.
//
// Every test ends in the same way: all pods are deleted, and then nothing may be left, no Pod, no capsule and no
// container, and the fake host may have seen no container started or living twice.
package world
