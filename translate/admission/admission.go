package admission

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate/podspec"
)

// Rejection is why a kubelet would not take a Pod: it fails at once and is not tried again.
type Rejection struct { //nolint:errname // it is a verdict first, and an error where one is asked for
	// Reason is the kubelet's word: OutOfcpu, SysctlForbidden.
	Reason  string
	Message string
}

func (r *Rejection) Error() string { return r.Message }

// Node is what Pods are admitted to.
type Node struct {
	Allocatable corev1.ResourceList
	// Used is what the Pods that are there already ask for; Pods is their number.
	Used corev1.ResourceList
	Pods int64
	// NoAppArmor: the hosts are known, and none of them enforces AppArmor profiles.
	NoAppArmor bool
}

// Reject says why the node does not take the Pod, nil when it does (kubelet: pkg/kubelet/lifecycle/predicate.go,
// pkg/kubelet/sysctl/allowlist.go, pkg/security/apparmor/validate.go). A node whose hosts are not known yet takes everything.
func Reject(pod *corev1.Pod, n Node) *Rejection {
	if r := rejectSysctls(pod); r != nil {
		return r
	}
	if n.NoAppArmor && podspec.AppArmor(pod) {
		return &Rejection{Reason: "AppArmor", Message: "Cannot enforce AppArmor: AppArmor is not enabled on the host"}
	}
	if max, ok := n.Allocatable[corev1.ResourcePods]; ok && n.Pods+1 > max.Value() {
		return outOf(corev1.ResourcePods, 1, n.Pods, max.Value())
	}
	asked := podspec.Requests(pod)
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		has := n.Allocatable[name]
		if has.IsZero() {
			continue // no host is up: the pod waits for one
		}
		need, used := amount(name, asked), amount(name, n.Used)
		all := amount(name, corev1.ResourceList{name: has})
		if need > 0 && used+need > all {
			return outOf(name, need, used, all)
		}
	}
	return nil
}

func outOf(name corev1.ResourceName, need, used, all int64) *Rejection {
	return &Rejection{Reason: "OutOf" + string(name), Message: fmt.Sprintf(
		"Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d", name, need, used, all)}
}

// amount is in thousandths of a core for cpu and in the resource's own unit else.
func amount(name corev1.ResourceName, list corev1.ResourceList) int64 {
	q := list[name]
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

// safeSysctls are those that touch nobody but the Pod (kubelet: pkg/kubelet/sysctl/safe_sysctls.go).
var safeSysctls = []string{"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
	"net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports",
	"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}

func rejectSysctls(pod *corev1.Pod) *Rejection {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	for _, s := range pod.Spec.SecurityContext.Sysctls {
		name, why := podspec.SysctlName(s.Name), ""
		switch {
		case !slices.Contains(safeSysctls, name):
			why = fmt.Sprintf("%q not allowlisted", name)
		case pod.Spec.HostIPC && strings.HasPrefix(name, "kernel.shm"):
			why = fmt.Sprintf("%q not allowed with host %s enabled", name, "IPC namespace")
		case pod.Spec.HostNetwork && strings.HasPrefix(name, "net."):
			why = fmt.Sprintf("%q not allowed with host %s enabled", name, "network namespace")
		}
		if why != "" {
			return &Rejection{Reason: "SysctlForbidden", Message: "forbidden sysctl: " + why}
		}
	}
	return nil
}
