package vkclient

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
)

// Recorder is quiet about Virtual Kubelet's Provider…Success: they say nothing that the kubelet's own events, which the workers
// of pods record, do not say better.
type Recorder struct{ record.EventRecorder }

// Event implements record.EventRecorder.
func (r Recorder) Event(object runtime.Object, kind, reason, message string) {
	if strings.HasPrefix(reason, "Provider") && strings.HasSuffix(reason, "Success") {
		return
	}
	r.EventRecorder.Event(object, kind, reason, message)
}
