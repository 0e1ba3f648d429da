// Package metrics shows what pods and the node use in the words of a kubelet: its summary, and its three endpoints for
// Prometheus, with the names and the labels that dashboards and autoscalers look for.
//
//	capsule.StatsReport ─┐             ┌─► Summary     /stats/summary
//	pods, capsules ──────┼─► Reading ──┼─► Resource    /metrics/resource
//	hosts ───────────────┘             ├─► Cadvisor    /metrics/cadvisor
//	                                   └─► Probes      /metrics/probes
//	this process ────────────► Process ──► Gather      /metrics
//
// A [Reading] and what is made of it has no effects; only [Process] counts.
//
// Decisions (2026-11-25):
//   - The families of a reading are put together by hand and given to Prometheus' library to be written: a registry would
//     hash and sort thousands of series that are in order. Names are checked by its linter in the tests.
//   - The node's own figures are the sum of its hosts and left out when one of them cannot tell: a part would make the node
//     look idle. Machines are told of one by one.
//   - In cAdvisor's families the label id tells pods and their containers apart; it is no path of a control group. What a pod
//     uses as a whole, and its network, stand in series without a container, as where pods have a group of their own.
//   - What nobody measures is not there: the size of a container's own layer, for one, which would have to be asked of the
//     engine.
package metrics
