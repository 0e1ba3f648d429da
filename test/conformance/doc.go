// Command conformance runs the pod family of Kubernetes' own conformance suite against capsulet's node and writes
// docs/conformance.md. It is behind `make conformance`; its test runs the family without what is slow.
//
//	controlplane.BuildSuite ─► e2e.test, ginkgo, agnhost          built from the Kubernetes module, kept in the cache
//	images                  ─► registry.k8s.io/… on the engine    made of agnhost and of this machine's programs
//	e2e.NewWorld            ─► control plane + `capsulet run`     one node, no taint: the suite needs a schedulable one
//	suite.list (dry run)    ─► the specs of the family, by name   a count that is not the known one is an error
//	suite.run (ginkgo)      ─► report.json ─► table, docs/conformance.md, exit code
//
// A spec that fails is an error unless the table in known.go says why it fails; one that passes in spite of that table
// is an error too, so that the table stays true.
//
// # Images
//
// There is no registry where this runs, and none is needed elsewhere: what the suite asks for is imported under the names
// it uses, unless the engine has an image of that name already (then that one is used and stays). They are stand-ins:
// programs of this machine with their libraries, bash as /bin/sh (Debian's busybox drops environment names such
// as "data-1"), agnhost built from the same Kubernetes module, and standin/ for what no Debian package has. Each
// one must answer a `docker run` before the suite starts.
//
// # What is left
//
// Nothing on the engine and nothing that runs. When a spec failed, the directory with the suite's output, its reports
// and capsulet's log is kept and printed; CAPSULET_CONFORMANCE_OUT=dir chooses it and always keeps it.
//
// Decisions (2026-11-20):
//   - specs are named to ginkgo one by one, as a dry run lists them: one way for the family, for FOCUS and for the fast
//     part, and a name that an upgrade of the suite takes away is noticed.
//   - one run at a time on a machine (a lock in the cache directory): two would remove each other's images.
//   - serial and disruptive specs are left out: they want several nodes or a host of their own.
package main
