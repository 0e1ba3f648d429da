package status

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/test/golden"
	"github.com/capsulet/capsulet/translate/admission"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestGolden(t *testing.T) {
	golden.Run(t, "status", func(t *testing.T, in []byte) any {
		var i struct {
			Pod           corev1.Pod       `json:"pod"`
			Before, After *capsule.Capsule `json:",omitempty"`
			Gone          bool             `json:"gone"`
		}
		golden.Parse(t, in, &i)
		status := Of(&i.Pod, i.After)
		if i.Gone {
			status = Gone(&i.Pod, i.After)
		}
		i.Pod.Status = status
		if again := Of(&i.Pod, i.After); !i.Gone && !reflect.DeepEqual(again, status) {
			t.Errorf("the status of an unchanged pod changed:\n%+v\n%+v", status, again)
		}
		return struct {
			Status corev1.PodStatus `json:"status"`
			Events []Event          `json:"events,omitempty"`
		}{status, Events(&i.Pod, i.Before, i.After)}
	})
}

func TestRefusedSaysWhy(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}}
	for _, row := range []struct {
		err             error
		reason, message string
	}{
		{&admission.Rejection{Reason: "OutOfcpu", Message: "no room"}, "OutOfcpu", "Pod was rejected: no room"},
		{support.Refusals{{Field: "spec.os.name", Reason: "no"}}, ReasonUnsupported, "spec.os.name: no"},
	} {
		s := Refused(pod, row.err)
		if s.Phase != corev1.PodFailed || s.Reason != row.reason || s.Message != row.message || len(s.ContainerStatuses) != 0 {
			t.Errorf("%+v", s)
		}
	}
}
