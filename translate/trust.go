package translate

import (
	"encoding/pem"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bundleOf is what a projection asks for; ok is false when that is nothing: a signer without a selector of labels.
func bundleOf(p *corev1.ClusterTrustBundleProjection) (b TrustBundle, ok bool) {
	if p.Name != nil {
		return TrustBundle{Name: *p.Name}, *p.Name != ""
	}
	selector, err := metav1.LabelSelectorAsSelector(p.LabelSelector)
	if p.SignerName == nil || p.LabelSelector == nil || err != nil {
		return TrustBundle{}, false
	}
	return TrustBundle{Signer: *p.SignerName, Selector: selector.String()}, true
}

// trust writes the certificates of the bundles that match, each once and in an order that does not change (kubelet:
// pkg/kubelet/clustertrustbundle, which shuffles them).
func (f *files) trust(p *corev1.ClusterTrustBundleProjection) error {
	var all []string
	b, ok := bundleOf(p)
	if ok {
		all = f.src.TrustBundles[b]
	}
	if len(all) == 0 && !isTrue(p.Optional) {
		return f.missing(SourceTrust, b.Name, "")
	}
	var anchors []string
	for _, text := range all {
		for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
			block.Headers = nil
			anchors = append(anchors, string(pem.EncodeToMemory(block)))
		}
	}
	slices.Sort(anchors)
	return f.owned(p.Path, []byte(strings.Join(slices.Compact(anchors), "")))
}
