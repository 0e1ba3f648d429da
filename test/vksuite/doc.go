// Package vksuite runs Virtual Kubelet's own end-to-end suite (github.com/virtual-kubelet/virtual-kubelet/test/e2e)
// against the real `capsulet run` on a real control plane and the machine's Docker engine.
//
//	suite ─► kube-apiserver ─┬─ nodes/<node>/proxy ─────────────────────► kubelet endpoint
//	                         ├─ pods/https:<node>:10250/proxy ─► relay ─► kubelet endpoint
//	                         └─ create pod ─► standIns (policy) ─► pod on the node
//
// The suite was written for a Virtual Kubelet that runs as a Pod of the cluster and fakes its containers. Four things are
// put under it, none of which touches what capsulet does:
//
//   - Its images (foo, bar, baz) exist nowhere. A MutatingAdmissionPolicy puts the test image in their place, as a cluster
//     without a registry of its own would.
//   - It looks for /stats/summary and /metrics/resource at port 10250 of a Pod that is called like the node, without
//     credentials, because its Virtual Kubelet is that Pod and lets everybody in. Here such a Pod is bound to no node, and
//     its address is where this process relays to the kubelet endpoint, as the administrator.
//   - It asks the kubelet endpoint through the API server, which relays to no loopback address: the node gets another one of
//     this machine.
//   - It never ends what it has begun when it fails; the scenario's namespace takes that away.
//
// Decisions (2026-11-20):
//   - images are exchanged by the API server instead of imported as foo:latest: the suite leaves imagePullPolicy to its
//     default, which is Always for these names, and a name like foo may be somebody's own on a developer's engine.
//   - nothing is skipped: a test of the suite that fails is a bar that is missed.
package vksuite
