package admission

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestReject(t *testing.T) {
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	always := corev1.ContainerRestartPolicyAlways
	for _, row := range []struct {
		name string
		edit func(*corev1.Pod, *Node)
		want string
	}{
		{"it fits", func(*corev1.Pod, *Node) {}, ""},
		{"too much cpu", func(p *corev1.Pod, _ *Node) { p.Spec.Containers[0].Resources.Requests = list("3", "1Gi") },
			"OutOfcpu: Node didn't have enough resource: cpu, requested: 3000, used: 1500, capacity: 4000"},
		{"too much memory", func(p *corev1.Pod, _ *Node) { p.Spec.Containers[0].Resources.Requests = list("1", "8Gi") },
			"OutOfmemory: Node didn't have enough resource: memory, requested: 8589934592, used: 1073741824, capacity: 8589934592"},
		{"too many pods", func(_ *corev1.Pod, n *Node) { n.Pods = 110 },
			"OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 110, capacity: 110"},
		{"an init container is the most", func(p *corev1.Pod, _ *Node) {
			p.Spec.InitContainers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list("3", "1Gi")}}}
		}, "OutOfcpu: Node didn't have enough resource: cpu, requested: 3000, used: 1500, capacity: 4000"},
		{"a sidecar runs beside the others", func(p *corev1.Pod, _ *Node) {
			p.Spec.InitContainers = []corev1.Container{{RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: list("2", "1Gi")}}}
		}, "OutOfcpu: Node didn't have enough resource: cpu, requested: 3000, used: 1500, capacity: 4000"},
		{"no request fits a full node", func(p *corev1.Pod, n *Node) {
			p.Spec.Containers[0].Resources.Requests = nil
			n.Used = list("9", "90Gi")
		}, ""},
		{"the hosts are not known", func(_ *corev1.Pod, n *Node) { n.Allocatable = nil }, ""},
		{"a safe sysctl", func(p *corev1.Pod, _ *Node) { sysctl(p, "kernel.shm_rmid_forced") }, ""},
		{"with slashes", func(p *corev1.Pod, _ *Node) { sysctl(p, "net/ipv4/tcp_syncookies") }, ""},
		{"an unsafe sysctl", func(p *corev1.Pod, _ *Node) { sysctl(p, "kernel.msgmax") },
			`SysctlForbidden: forbidden sysctl: "kernel.msgmax" not allowlisted`},
		{"the whole asks for more than its parts", func(p *corev1.Pod, _ *Node) {
			p.Spec.Resources = &corev1.ResourceRequirements{Requests: list("3", "1Gi")}
		}, "OutOfcpu: Node didn't have enough resource: cpu, requested: 3000, used: 1500, capacity: 4000"},
		{"the whole asks for less", func(p *corev1.Pod, _ *Node) {
			p.Spec.Containers[0].Resources.Requests = list("3", "1Gi")
			p.Spec.Resources = &corev1.ResourceRequirements{Requests: list("2", "1Gi")}
		}, ""},
		{"AppArmor that no host has", func(p *corev1.Pod, n *Node) {
			n.NoAppArmor = true
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}}
		}, "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host"},
		{"no AppArmor is asked for", func(p *corev1.Pod, n *Node) {
			n.NoAppArmor = true
			p.Spec.SecurityContext = &corev1.PodSecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}}
		}, ""},
		{"a sysctl of the host's network", func(p *corev1.Pod, _ *Node) {
			p.Spec.HostNetwork = true
			sysctl(p, "net.ipv4.tcp_syncookies")
		}, `SysctlForbidden: forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host network namespace enabled`},
	} {
		t.Run(row.name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list("1", "1Gi")}}}}}
			n := Node{Allocatable: list("4", "8Gi"), Used: list("1500m", "1Gi"), Pods: 3}
			n.Allocatable[corev1.ResourcePods] = resource.MustParse("110")
			row.edit(pod, &n)
			got := ""
			if r := Reject(pod, n); r != nil {
				got = r.Reason + ": " + r.Message
			}
			if got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func sysctl(p *corev1.Pod, name string) {
	p.Spec.SecurityContext = &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: name, Value: "1"}}}
}

func TestDeferred(t *testing.T) {
	pod := func(cpu string) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}}}}
	}
	n := Node{Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4")}, Used: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}}
	for cpu, want := range map[string]string{"2": "", "3": corev1.PodReasonDeferred, "5": corev1.PodReasonInfeasible} {
		got := ""
		if r := Deferred(pod(cpu), n); r != nil {
			got = r.Reason
		}
		if got != want {
			t.Errorf("%s cores: %q, want %q", cpu, got, want)
		}
	}
}
