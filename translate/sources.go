package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Sources is what a Pod refers to, fetched by the caller. Objects that do not exist are absent from the maps.
type Sources struct {
	// ConfigMaps and Secrets are those of the Pod's namespace, by name.
	ConfigMaps map[string]*corev1.ConfigMap
	Secrets    map[string]*corev1.Secret
	// Claims are persistent volume claims of the Pod's namespace, by name; Volumes the persistent volumes by name.
	Claims  map[string]*corev1.PersistentVolumeClaim
	Volumes map[string]*corev1.PersistentVolume
	// Tokens are service account tokens bound to the Pod.
	Tokens map[Token]string
	// TrustBundles are the contents of the ClusterTrustBundles that match.
	TrustBundles map[TrustBundle][]string
	// RuntimeHandlers are the handlers of runtime classes by the name of the class.
	RuntimeHandlers map[string]string
	// Services are those of the Pod's namespace and default/kubernetes.
	Services []*corev1.Service

	NodeName string
	// Allocatable of the node is what a container without a limit may use, for resourceFieldRef.
	Allocatable corev1.ResourceList

	// ClusterDNS are the addresses of the cluster's DNS service; empty where there is none.
	ClusterDNS    []string
	ClusterDomain string
	// HostDNS is what the hosts' own resolv.conf says, nil if that is left to the engine.
	HostDNS *capsule.DNS
}

// Token describes a service account token.
type Token struct {
	// Audience empty means the API server's own.
	Audience          string
	ExpirationSeconds int64
}

// TrustBundle names one ClusterTrustBundle, or those of a signer whose labels match.
type TrustBundle struct {
	Name             string
	Signer, Selector string
}

// SourceKind is a kind of object that a Pod refers to.
type SourceKind string

// The kinds of sources.
const (
	SourceConfigMap SourceKind = "ConfigMap"
	SourceSecret    SourceKind = "Secret"
	SourceToken     SourceKind = "ServiceAccountToken"
	SourceServices  SourceKind = "Services"
	SourceRuntime   SourceKind = "RuntimeClass"
	SourceClaim     SourceKind = "PersistentVolumeClaim"
	SourceTrust     SourceKind = "ClusterTrustBundle"
	SourceVolume    SourceKind = "PersistentVolume" // what a claim is bound to
)

// SourceRef is one thing that has to be fetched before the Pod can be translated.
type SourceRef struct {
	Kind SourceKind
	// Name of the object, in the Pod's namespace if its kind has one.
	Name string
	// Token when the kind is a token.
	Token Token
	// Bundle when the kind is a trust bundle.
	Bundle TrustBundle `json:"Bundle,omitzero"`
}

// Missing says that something the Pod refers to is not there yet: wait for it.
type Missing struct { //nolint:errname // it is a verdict first, and an error where one is asked for
	Kind      SourceKind
	Namespace string
	Name      string
	// Key is empty when the whole object is missing.
	Key string
	// Container is the container whose environment waits, empty when the volume called Volume does.
	Container string
	Volume    string
	// Problem is what is wrong with a claim that is there, or with its volume.
	Problem string
}

// Error is worded as the kubelet words it.
func (m *Missing) Error() string {
	switch {
	case m.Kind == SourceClaim && m.Problem == "":
		return fmt.Sprintf("error processing PVC %s/%s: failed to fetch PVC from API server: persistentvolumeclaims %q not found",
			m.Namespace, m.Name, m.Name)
	case m.Kind == SourceClaim:
		return fmt.Sprintf("error processing PVC %s/%s: %s", m.Namespace, m.Name, m.Problem)
	case m.Kind == SourceTrust && m.Name == "":
		return "combination of signerName and labelSelector matched zero ClusterTrustBundles"
	case m.Kind == SourceTrust:
		return fmt.Sprintf("clustertrustbundle.certificates.k8s.io %q not found", m.Name)
	case m.Kind == SourceToken:
		return fmt.Sprintf("failed to fetch token: serviceaccounts %q not found", m.Name)
	case m.Key != "" && m.Volume != "" && m.Kind == SourceConfigMap:
		return "configmap references non-existent config key: " + m.Key
	case m.Key != "" && m.Volume != "":
		return "references non-existent secret key: " + m.Key
	case m.Kind == SourceRuntime:
		return fmt.Sprintf("failed to get runtime handler: runtimeclass.node.k8s.io %q not found", m.Name)
	case m.Key != "":
		return fmt.Sprintf("couldn't find key %s in %s %s/%s", m.Key, m.Kind, m.Namespace, m.Name)
	case m.Kind == SourceConfigMap:
		return fmt.Sprintf("configmap %q not found", m.Name)
	default:
		return fmt.Sprintf("secret %q not found", m.Name)
	}
}

// Needs returns what has to be fetched to translate the Pod, sorted, without doubles. Services are always needed:
// KUBERNETES_SERVICE_HOST is in every container.
func Needs(pod *corev1.Pod) []SourceRef {
	set := map[SourceRef]bool{{Kind: SourceServices}: true}
	need := func(k SourceKind, name string) { set[SourceRef{Kind: k, Name: name}] = true }
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers, podspec.Ephemeral(pod)} {
		for i := range list {
			needsOfContainer(&list[i], need)
		}
	}
	if name := pod.Spec.RuntimeClassName; name != nil && *name != "" {
		need(SourceRuntime, *name)
	}
	for _, s := range pod.Spec.ImagePullSecrets {
		if s.Name != "" {
			need(SourceSecret, s.Name)
		}
	}
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		switch {
		case v.ConfigMap != nil:
			need(SourceConfigMap, v.ConfigMap.Name)
		case v.Secret != nil:
			need(SourceSecret, v.Secret.SecretName)
		case v.PersistentVolumeClaim != nil, v.Ephemeral != nil:
			name, _ := claimOf(pod, v)
			need(SourceClaim, name)
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				switch {
				case s.ConfigMap != nil:
					need(SourceConfigMap, s.ConfigMap.Name)
				case s.Secret != nil:
					need(SourceSecret, s.Secret.Name)
				case s.ClusterTrustBundle != nil:
					if b, ok := bundleOf(s.ClusterTrustBundle); ok {
						set[SourceRef{Kind: SourceTrust, Bundle: b}] = true
					}
				case s.ServiceAccountToken != nil:
					set[SourceRef{Kind: SourceToken, Token: tokenOf(s.ServiceAccountToken)}] = true
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b SourceRef) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Token.Audience, b.Token.Audience), cmp.Compare(a.Token.ExpirationSeconds, b.Token.ExpirationSeconds),
			cmp.Compare(a.Bundle.Name, b.Bundle.Name), cmp.Compare(a.Bundle.Signer, b.Bundle.Signer), cmp.Compare(a.Bundle.Selector, b.Bundle.Selector))
	})
}

func needsOfContainer(c *corev1.Container, need func(SourceKind, string)) {
	for _, from := range c.EnvFrom {
		switch {
		case from.ConfigMapRef != nil:
			need(SourceConfigMap, from.ConfigMapRef.Name)
		case from.SecretRef != nil:
			need(SourceSecret, from.SecretRef.Name)
		}
	}
	for _, e := range c.Env {
		switch {
		case e.ValueFrom == nil:
		case e.ValueFrom.ConfigMapKeyRef != nil:
			need(SourceConfigMap, e.ValueFrom.ConfigMapKeyRef.Name)
		case e.ValueFrom.SecretKeyRef != nil:
			need(SourceSecret, e.ValueFrom.SecretKeyRef.Name)
		}
	}
}

func tokenOf(p *corev1.ServiceAccountTokenProjection) Token {
	t := Token{Audience: p.Audience, ExpirationSeconds: 3600} // the API's default
	if p.ExpirationSeconds != nil {
		t.ExpirationSeconds = *p.ExpirationSeconds
	}
	return t
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func isTrue(b *bool) bool { return b != nil && *b }
