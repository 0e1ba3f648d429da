package provider

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
)

type listOptions = metav1.ListOptions

// quietRecorder is the recorder that Virtual Kubelet's controller gets: its Provider…Success events say nothing that the
// kubelet's own, which the workers record, do not say better.
type quietRecorder struct{ record.EventRecorder }

func (r quietRecorder) Event(object runtime.Object, kind, reason, message string) {
	if strings.HasPrefix(reason, "Provider") && strings.HasSuffix(reason, "Success") {
		return
	}
	r.EventRecorder.Event(object, kind, reason, message)
}
