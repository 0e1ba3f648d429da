package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The annotations of a capsule that say whose pod it is.
const (
	annotationNamespace = "capsulet.io/pod-namespace"
	annotationName      = "capsulet.io/pod-name"
	annotationUID       = "capsulet.io/pod-uid"
	annotationNode      = "capsulet.io/node"
)

// identity is what makes a pod this pod.
type identity struct {
	namespace, name string
	uid             types.UID
}

func identityOf(pod *corev1.Pod) identity {
	return identity{pod.Namespace, pod.Name, pod.UID}
}

// annotate writes the identity on a specification.
func (i identity) annotate(spec *capsule.Spec, node string) {
	spec.Annotations = map[string]string{
		annotationNamespace: i.namespace,
		annotationName:      i.name,
		annotationUID:       string(i.uid),
		annotationNode:      node,
	}
}

// identityOn reads the identity of a capsule; ok is false when it is no pod of this node.
func identityOn(c *capsule.Capsule, node string) (id identity, ok bool) {
	a := c.Spec.Annotations
	id = identity{a[annotationNamespace], a[annotationName], types.UID(a[annotationUID])}
	return id, a[annotationNode] == node && id.name != "" && id.namespace != "" && string(id.uid) == c.UUID
}

// rebuilt is a Pod with no more in it than the capsule tells. It serves deletion and listing, never comparison.
func rebuilt(id identity, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: id.namespace, Name: id.name, UID: id.uid},
		Spec:       corev1.PodSpec{NodeName: node},
	}
}

// specHash is over what of a Pod's specification may change after its creation.
func specHash(pod *corev1.Pod) string {
	text, err := json.Marshal([]any{pod.Spec.Containers, pod.Spec.InitContainers, pod.Spec.EphemeralContainers,
		pod.Spec.ActiveDeadlineSeconds})
	if err != nil {
		return "" // cannot happen with API types; an empty hash never says "changed"
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
