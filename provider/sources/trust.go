package sources

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	"github.com/capsulet/capsulet/translate"
)

// trustEvery is how often pods that use trust bundles look at them again: they change seldom, and a minute is early enough.
const trustEvery = 30 * time.Second

// trusting are the pods that use trust bundles.
type trusting struct {
	mu   sync.Mutex
	pods map[types.UID]bool
}

func (t *trusting) use(pod types.UID, uses bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if uses {
		t.pods[pod] = true
	} else {
		delete(t.pods, pod)
	}
}

// run wakes them now and then until ctx ends.
func (t *trusting) run(ctx context.Context, changed func(types.UID)) error {
	tick := time.NewTicker(trustEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		t.mu.Lock()
		pods := make([]types.UID, 0, len(t.pods))
		for uid := range t.pods {
			pods = append(pods, uid)
		}
		t.mu.Unlock()
		for _, uid := range pods {
			changed(uid)
		}
	}
}

// trust reads the bundles that match; a cluster that does not serve them has none.
func (s *Sources) trust(ctx context.Context, b translate.TrustBundle, src *translate.Sources) (mark string, err error) {
	client := s.cfg.Client.CertificatesV1beta1().ClusterTrustBundles()
	var found []certificatesv1beta1.ClusterTrustBundle
	if b.Name != "" {
		one, err := read(ctx, s, "clustertrustbundle "+b.Name, func(ctx context.Context) (*certificatesv1beta1.ClusterTrustBundle, error) {
			return client.Get(ctx, b.Name, metav1.GetOptions{})
		})
		if err != nil {
			return "", err
		}
		if one != nil {
			found = append(found, *one)
		}
	} else {
		list, err := read(ctx, s, fmt.Sprint("clustertrustbundles ", b), func(ctx context.Context) (*certificatesv1beta1.ClusterTrustBundleList, error) {
			return client.List(ctx, metav1.ListOptions{LabelSelector: b.Selector,
				FieldSelector: fields.OneTermEqualSelector("spec.signerName", b.Signer).String()})
		})
		if err != nil {
			return "", err
		}
		if list != nil {
			found = list.Items
		}
	}
	marks := []string{string(translate.SourceTrust)}
	for i := range found {
		if b.Signer != "" && found[i].Spec.SignerName != b.Signer {
			continue
		}
		src.TrustBundles[b] = append(src.TrustBundles[b], found[i].Spec.TrustBundle)
		marks = append(marks, found[i].Name, found[i].ResourceVersion)
	}
	return strings.Join(marks, " "), nil
}
