package status

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/capsulet/capsulet/test/golden"
	"github.com/capsulet/capsulet/translate"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// FuzzStatus makes Pods and capsules of bytes that know nothing of each other: whatever a capsule shows, its Pod has a status,
// the same one each time, that needs no second writing, and no terminal one while something runs.
func FuzzStatus(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(binary.BigEndian.AppendUint64(nil, seed*0x9e3779b97f4a7c15))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var pod corev1.Pod
		var before, after *capsule.Capsule
		golden.Fill(data, &pod, &before, &after)
		golden.NameContainers(&pod)
		if pod.Status.Phase = ""; len(data)%4 == 0 {
			pod.Status = corev1.PodStatus{} // a new one
		}
		for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
			for i := range list { // one state at a time
				if s := &list[i].State; s.Terminated != nil {
					s.Running, s.Waiting = nil, nil
				}
			}
		}
		kept := pod.DeepCopy()
		status := Of(&pod, after)
		if again := Of(&pod, after); !reflect.DeepEqual(status, again) {
			t.Fatalf("not the same twice:\n%s", cmp.Diff(status, again))
		}
		if !equality.Semantic.DeepEqual(kept, &pod) {
			t.Fatalf("the Pod was changed:\n%s", cmp.Diff(kept, &pod))
		}
		written := pod.DeepCopy()
		written.Status = *status.DeepCopy()
		if again := Of(written, after); !equality.Semantic.DeepEqual(status, again) {
			t.Fatalf("a status that was written is written anew:\n%s", cmp.Diff(status, again))
		}
		for _, s := range status.ContainerStatuses {
			if terminal(status.Phase) && s.State.Running != nil {
				t.Fatalf("%s while %s runs", status.Phase, s.Name)
			}
		}
		if gone := Gone(&pod, after); !terminal(gone.Phase) {
			t.Fatalf("without a capsule it is %s", gone.Phase)
		}
		Refused(&pod, errors.New("no"))
		Waiting(&pod, &translate.Missing{Kind: translate.SourceSecret, Container: "a"})
		for _, e := range Events(&pod, before, after) {
			if e.Type == "" {
				t.Fatalf("an event without a type: %+v", e)
			}
		}
	})
}
