package provider

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/provider/node"
)

func TestNode(t *testing.T) {
	w := newWorld(t).start()
	n, err := w.client.CoreV1().Nodes().Get(t.Context(), "capsulet", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n.Status.Capacity.Cpu().Value() != 4 || n.Status.Allocatable.Memory().Value() != 8<<30 || n.Status.Allocatable.Pods().Value() != 110 {
		t.Errorf("capacity %v", n.Status.Capacity)
	}
	if len(n.Spec.Taints) != 1 || n.Spec.Taints[0] != node.DefaultTaint || n.Labels[corev1.LabelHostname] != "capsulet" {
		t.Errorf("taints %v labels %v", n.Spec.Taints, n.Labels)
	}
	if n.Status.NodeInfo.ContainerRuntimeVersion != "docker://20.10.24" {
		t.Errorf("node info %+v", n.Status.NodeInfo)
	}
	w.until("lease", func() bool {
		_, err := w.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(t.Context(), "capsulet", metav1.GetOptions{})
		return err == nil
	})
}
