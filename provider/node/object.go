package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// conditionServer says that the capsule API does not answer.
const conditionServer corev1.NodeConditionType = "CapsuleServerUnavailable"

// makeNode is the Node object out of the hosts; err says that they could not be asked, then what was known of them stays.
// Transition times are the caller's.
func makeNode(cfg *Config, hosts []capsule.Host, err error, before *corev1.Node) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: cfg.Name, Labels: nodeLabels(cfg, hosts)},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: cfg.Address},
				{Type: corev1.NodeHostName, Address: cfg.Name},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: cfg.KubeletPort}},
			NodeInfo:        nodeInfo(cfg, hosts),
		},
	}
	if !cfg.NoTaint {
		n.Spec.Taints = []corev1.Taint{taintOf(cfg)}
	}
	if err != nil && before != nil {
		kept := before.DeepCopy()
		n.Labels, n.Status = kept.Labels, kept.Status
		n.Status.Conditions = slices.DeleteFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == conditionServer })
	} else {
		n.Status.Capacity = capacityOf(cfg, up(hosts))
		n.Status.Allocatable = allocatableOf(cfg, n.Status.Capacity)
		n.Status.Conditions = nodeConditions(hosts, err)
	}
	server := corev1.NodeCondition{Type: conditionServer, Status: corev1.ConditionFalse, Reason: "CapsuleServerAnswers",
		Message: "the capsule server answers"}
	if err != nil {
		server.Status, server.Reason = corev1.ConditionTrue, "CapsuleServerDoesNotAnswer"
		server.Message = "pods that run go on running, new ones wait: " + err.Error()
	}
	n.Status.Conditions = append(n.Status.Conditions, server)
	return n
}

// first is the host that speaks for all where the API has room for one.
func first(hosts []capsule.Host) capsule.Host {
	if list := up(hosts); len(list) > 0 {
		return list[0]
	}
	if len(hosts) > 0 {
		return hosts[0]
	}
	return capsule.Host{}
}

func nodeLabels(cfg *Config, hosts []capsule.Host) map[string]string {
	h := first(hosts)
	arch, system := cmp.Or(h.Architecture, "amd64"), cmp.Or(h.OSType, "linux")
	labels := map[string]string{
		"type":                    "virtual-kubelet",
		"kubernetes.io/role":      "agent",
		corev1.LabelHostname:      cfg.Name,
		corev1.LabelOSStable:      system,
		corev1.LabelArchStable:    arch,
		"beta.kubernetes.io/os":   system,
		"beta.kubernetes.io/arch": arch,
	}
	for k, v := range cfg.Labels {
		labels[k] = v
	}
	return labels
}

func nodeInfo(cfg *Config, hosts []capsule.Host) corev1.NodeSystemInfo {
	h := first(hosts)
	info := corev1.NodeSystemInfo{
		Architecture:    cmp.Or(h.Architecture, "amd64"),
		OperatingSystem: cmp.Or(h.OSType, "linux"),
		OSImage:         h.OS,
		KernelVersion:   h.KernelVersion,
		KubeletVersion:  cfg.Version,
		MachineID:       h.UUID,
		SystemUUID:      h.UUID,
	}
	if h.EngineName != "" {
		info.ContainerRuntimeVersion = h.EngineName + "://" + h.EngineVersion
	}
	return info
}

// capacityOf is the sum of the hosts.
func capacityOf(cfg *Config, hosts []capsule.Host) corev1.ResourceList {
	var cpu, memory, disk int64
	for _, h := range hosts {
		cpu += int64(h.CPUs)
		memory += h.MemoryBytes
		disk += h.DiskBytes
	}
	list := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewQuantity(cpu, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memory, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(cfg.MaxPods, resource.DecimalSI),
	}
	if disk > 0 {
		list[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(disk, resource.BinarySI)
	}
	return list
}

func allocatableOf(cfg *Config, capacity corev1.ResourceList) corev1.ResourceList {
	list := capacity.DeepCopy()
	for name, reserved := range cfg.Reserved {
		if left, ok := list[name]; ok {
			left.Sub(reserved)
			if left.Sign() < 0 {
				left.Set(0)
			}
			list[name] = left
		}
	}
	return list
}

func nodeConditions(hosts []capsule.Host, err error) []corev1.NodeCondition {
	ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "HostsReady"}
	alive := up(hosts)
	switch {
	case err != nil:
		ready.Status, ready.Reason = corev1.ConditionFalse, "CapsuleServerDoesNotAnswer"
		ready.Message = "the hosts are not known yet: " + err.Error()
	case len(hosts) == 0:
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, "NoHosts", "the capsule server has no host"
	case len(alive) == 0:
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, "HostsDown", downMessage(hosts)
	case len(alive) < len(hosts):
		ready.Message = fmt.Sprintf("%d of %d hosts are up; %s", len(alive), len(hosts), downMessage(hosts))
	default:
		ready.Message = fmt.Sprintf("%d of %d hosts are up", len(alive), len(hosts))
	}
	no := func(t corev1.NodeConditionType, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: t, Status: corev1.ConditionFalse, Reason: reason, Message: message}
	}
	return []corev1.NodeCondition{
		ready,
		no(corev1.NodeMemoryPressure, "NoPressureReported", "no host reports memory pressure"),
		no(corev1.NodeDiskPressure, "NoPressureReported", "no host reports disk pressure"),
		no(corev1.NodePIDPressure, "NoPressureReported", "no host reports PID pressure"),
		no(corev1.NodeNetworkUnavailable, "HostNetworks", "capsules use the networks of their hosts"),
	}
}

func downMessage(hosts []capsule.Host) string {
	var words []string
	for _, h := range hosts {
		if !h.Up {
			words = append(words, fmt.Sprintf("host %s is down: %s", h.Name, cmp.Or(h.Reason, "no reason given")))
		}
	}
	return strings.Join(words, "; ")
}
