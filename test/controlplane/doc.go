// Package controlplane runs a real Kubernetes control plane on loopback: etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler, built from Go modules because no binary can be downloaded where the tests
// run. There is no kubelet in it: capsulet's node is the only one.
//
//	kube/go.mod ──Build──► <cache>/kube-v1.36.3-<hash of go.sum>/{etcd, kube-apiserver, …, kubectl}   once, minutes
//	metrics/go.mod ──StartMetricsServer──► <cache>/metrics-v0.9.0-<hash>/metrics-server
//	kube/go.mod ──BuildSuite──► <cache>/suite-v1.36.3-<hash>/{e2e.test, ginkgo, agnhost}, for test/conformance
//	Start ──► Dir/pki, Dir/*.kubeconfig ──► etcd ──► kube-apiserver ──/readyz──► controller-manager, scheduler
//	      ──► the default ServiceAccount exists ──► *ControlPlane
//
// # Dir
//
// Everything of one control plane is in Config.Dir: pki/, etcd/, *.kubeconfig, *.log, and controlplane.json with the
// ports and the process ids. Start on the Dir of a running control plane returns that one, and starts again only the
// parts that are dead. A recorded process id is believed only when its /proc entry runs our program with our Dir in its
// arguments, so that a recycled id is never signalled.
//
// # Whose processes
//
// Without Detached the programs die with the process that started them, however that ends (Pdeathsig). With Detached
// they survive it in sessions of their own, for `make up`, and [StopDir] ends them later.
//
// Decisions (2026-11-20):
//   - controller-manager and scheduler start after /readyz: earlier they exit with "forbidden". etcd stops last, or
//     the API server spends its shutdown in retries.
//   - etcd speaks TLS with a CA of its own: on a shared machine a loopback port is open to everybody.
//   - the metrics server's API goes by an ExternalName service: an EndpointSlice takes no address on loopback, and nothing
//     here programs services.
//   - ports are picked at random outside the kernel's ephemeral range and kept in Dir, so that a restarted part is
//     found where its peers look for it.
//   - the kubernetes Service has no endpoint (endpoint-reconciler-type=none): the API server listens on loopback, which
//     Endpoints refuse, and nothing here programs services.
package controlplane
