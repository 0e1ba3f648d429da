package translate

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"github.com/capsulet/capsulet/test/golden"
	"github.com/capsulet/capsulet/translate/admission"
	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// translated checks what holds for any Pod whatsoever: it gives a specification or refusals that name fields, the same ones
// each time, and stays as it is.
func translated(t *testing.T, pod *corev1.Pod, src Sources) {
	before := pod.DeepCopy()
	spec, lacking, err := Template(pod, src, nil)
	again, lackingAgain, errAgain := Template(pod, src, nil)
	if !equality.Semantic.DeepEqual(before, pod) {
		t.Fatalf("the Pod was changed:\n%s", cmp.Diff(before, pod))
	}
	if !equality.Semantic.DeepEqual(spec, again) || len(lacking) != len(lackingAgain) || (err == nil) != (errAgain == nil) {
		t.Fatalf("twice the same Pod, and not the same:\n%s", cmp.Diff(spec, again))
	}
	if err != nil {
		var refused support.Refusals
		if !errors.As(err, &refused) || len(refused) == 0 {
			t.Fatalf("it was not translated and nothing is refused: %v", err)
		}
		for _, r := range refused {
			if !strings.Contains(r.Field, ".") || r.Reason == "" {
				t.Fatalf("a refusal says nothing: %+v", r)
			}
		}
		return
	}
	for _, m := range lacking {
		if m.Error() == "" {
			t.Fatal("something lacks and has no words")
		}
	}
	// The capsule server takes it, or names what it does not take.
	doc, err := template.Encode(spec, "11111111-2222-3333-4444-555555555555")
	if err != nil {
		return // no JSON of it: an API server would never have sent it
	}
	if _, _, err := template.Parse(doc); err != nil && err.Error() == "" {
		t.Fatal("the capsule server refuses it without a word")
	}
	if _, _, err := Template(pod, src, &spec); err != nil {
		t.Fatalf("what was translated is refused when it is there: %v", err)
	}
	Needs(pod)
	LackingOptional(pod, src)
	LackingPullSecrets(pod, src)
	support.Warnings(pod)
	_ = admission.Reject(pod, admission.Node{Allocatable: corev1.ResourceList{corev1.ResourceCPU: {}}})
	_ = admission.Deferred(pod, admission.Node{Used: podspec.Requests(pod)})
	admission.Resized(pod, &capsule.Capsule{Spec: spec})
}

// FuzzTemplate makes Pods and their sources of bytes.
func FuzzTemplate(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(binary.BigEndian.AppendUint64(nil, seed*0x9e3779b97f4a7c15))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var pod corev1.Pod
		var src Sources
		golden.Fill(data, &pod, &src.ConfigMaps, &src.Secrets, &src.Services, &src.Allocatable, &src.ClusterDNS, &src.RuntimeHandlers,
			&src.Claims, &src.Volumes)
		// What does not exist is absent, never nil.
		maps.DeleteFunc(src.ConfigMaps, func(_ string, o *corev1.ConfigMap) bool { return o == nil })
		maps.DeleteFunc(src.Secrets, func(_ string, o *corev1.Secret) bool { return o == nil })
		maps.DeleteFunc(src.Claims, func(_ string, o *corev1.PersistentVolumeClaim) bool { return o == nil })
		maps.DeleteFunc(src.Volumes, func(_ string, o *corev1.PersistentVolume) bool { return o == nil })
		src.Services = slices.DeleteFunc(src.Services, func(o *corev1.Service) bool { return o == nil })
		golden.NameContainers(&pod)
		translated(t, &pod, src)
	})
}

// FuzzPodDocument makes Pods of documents, beginning with the golden ones.
func FuzzPodDocument(f *testing.F) {
	inputs, err := filepath.Glob("testdata/template/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		f.Fatal("no documents to begin with", err)
	}
	for _, path := range inputs {
		doc, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var in templateInput
		if yaml.Unmarshal(doc, &in) != nil {
			return
		}
		in.Sources.Services = slices.DeleteFunc(in.Sources.Services, func(o *corev1.Service) bool { return o == nil })
		golden.NameContainers(&in.Pod)
		translated(t, &in.Pod, in.sources())
	})
}
