package translate

import (
	"encoding/pem"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTrustBundles(t *testing.T) {
	cert := func(s string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(s)}))
	}
	name, signer, yes := "roots", "example.com/s", true
	none := ""
	labels := &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "front"}}
	bundles := map[TrustBundle][]string{
		{Name: name}:                             {"a comment\n" + cert("b") + cert("a") + cert("b")},
		{Signer: signer, Selector: "tier=front"}: {cert("y"), cert("x") + cert("y")},
		{Signer: signer}:                         {cert("all")},
	}
	for _, row := range []struct {
		name   string
		source corev1.ClusterTrustBundleProjection
		want   string
		failed string
	}{
		{"by name, each once and in order", corev1.ClusterTrustBundleProjection{Name: &name}, cert("a") + cert("b"), ""},
		{"by signer and labels", corev1.ClusterTrustBundleProjection{SignerName: &signer, LabelSelector: labels}, cert("x") + cert("y"), ""},
		{"by signer, whatever its labels", corev1.ClusterTrustBundleProjection{SignerName: &signer, LabelSelector: &metav1.LabelSelector{}}, cert("all"), ""},
		{"a signer without a selector is nothing", corev1.ClusterTrustBundleProjection{SignerName: &signer}, "",
			"combination of signerName and labelSelector matched zero ClusterTrustBundles"},
		{"nothing, and it may be", corev1.ClusterTrustBundleProjection{SignerName: &signer, Optional: &yes}, "", ""},
		{"none of that name", corev1.ClusterTrustBundleProjection{Name: &signer}, "", `clustertrustbundle.certificates.k8s.io "example.com/s" not found`},
		{"no name", corev1.ClusterTrustBundleProjection{Name: &none, Optional: &yes}, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.source.Path = "ca.crt"
			pod := mounting(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ClusterTrustBundle: &row.source}}}})
			src := Sources{TrustBundles: map[TrustBundle][]string{}}
			for _, need := range Needs(pod) { // what is not asked for is not there
				if have, ok := bundles[need.Bundle]; ok {
					src.TrustBundles[need.Bundle] = have
				}
			}
			v, err := volumeOf(pod, &pod.Spec.Volumes[0], &src)
			if row.failed != "" {
				if err == nil || err.Error() != row.failed {
					t.Errorf("error %v, want %s", err, row.failed)
				}
				return
			}
			if err != nil || len(v.Files.Items) != 1 || string(v.Files.Items[0].Content) != row.want {
				t.Errorf("%+v %v, want %s", v.Files, err, strings.ReplaceAll(row.want, "\n", " "))
			}
		})
	}
}
