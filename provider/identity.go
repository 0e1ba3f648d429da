package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

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

// specHash is over a translated specification and the marks of its sources. Sensitive content is not in it: it stands in
// views, and a short secret could be guessed from it.
func specHash(spec *capsule.Spec, marks []string) (string, error) {
	shown, err := spec.Clone()
	if err != nil {
		return "", err
	}
	shown.Hash = ""
	for _, list := range [][]capsule.ContainerSpec{shown.InitContainers, shown.Containers, shown.EphemeralContainers} {
		for i := range list {
			list[i].PullCredentials = nil
			for j := range list[i].Env {
				if e := &list[i].Env[j]; e.Sensitive {
					e.Value = ""
				}
			}
		}
	}
	for i := range shown.Volumes {
		if f := shown.Volumes[i].Files; f != nil && f.Sensitive {
			for j := range f.Items {
				f.Items[j].Content = nil
			}
		}
	}
	text, err := json.Marshal([]any{shown, marks})
	if err != nil {
		return "", fmt.Errorf("hash the specification of %s: %w", spec.Name, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}
