package golden

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/randfill"
)

// Fill makes values out of the bytes of a fuzzer: the same bytes make the same values. Strings are short words more often
// than not, so that names meet.
func Fill(data []byte, values ...any) {
	words := []string{"", "a", "b", "main", "data", "..", "a/../b", "/abs", "metadata.name", "metadata.labels['a']", "limits.cpu",
		"requests.memory", "status.podIP", "$(A)", "Always", "Never", "OnFailure", "RuntimeDefault", "Localhost", "Memory", "net/ipv4/tcp_syncookies"}
	f := randfill.NewFromGoFuzz(data).NilChance(0.6).NumElements(0, 3).MaxDepth(12).Funcs(
		func(s *string, c randfill.Continue) {
			if *s = words[c.Intn(len(words))]; c.Intn(8) == 0 {
				*s = c.String(0)
			}
		},
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewMilliQuantity(c.Int63()>>c.Intn(63), resource.DecimalSI)
			if c.Bool() {
				*q = *resource.NewQuantity(math.MaxInt64>>c.Intn(63), resource.BinarySI)
			}
		},
		func(t *metav1.Time, c randfill.Continue) { *t = metav1.NewTime(time.Unix(c.Int63n(1<<33), 0).UTC()) },
		func(t *time.Time, c randfill.Continue) {
			if *t = (time.Time{}); c.Bool() {
				*t = time.Unix(c.Int63n(1<<33), 0).UTC()
			}
		},
		func(v *intstr.IntOrString, c randfill.Continue) {
			if *v = intstr.FromInt32(int32(c.Intn(70000))); c.Bool() {
				*v = intstr.FromString("http")
			}
		},
		func(m *metav1.FieldsV1, _ randfill.Continue) { *m = metav1.FieldsV1{} },
	)
	for _, v := range values {
		f.Fill(v)
	}
}

// NameContainers gives containers that share a name others, as the API server sees to it.
func NameContainers(pod *corev1.Pod) {
	taken := map[string]bool{}
	name := func(c *string) {
		for taken[*c] {
			*c += "x"
		}
		taken[*c] = true
	}
	for i := range pod.Spec.InitContainers {
		name(&pod.Spec.InitContainers[i].Name)
	}
	for i := range pod.Spec.Containers {
		name(&pod.Spec.Containers[i].Name)
	}
	for i := range pod.Spec.EphemeralContainers {
		name(&pod.Spec.EphemeralContainers[i].Name)
	}
}
