package translate

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mounting is a Pod with one volume.
func mounting(source corev1.VolumeSource) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}, Spec: corev1.PodSpec{
		ServiceAccountName: "sa", Containers: []corev1.Container{{Name: "a", Image: "i:1"}, {Name: "b", Image: "i:1"}},
		Volumes: []corev1.Volume{{Name: "v", VolumeSource: source}}}}
}

var data = Sources{
	ConfigMaps: map[string]*corev1.ConfigMap{"conf": {Data: map[string]string{"a": "A", "b": ""}, BinaryData: map[string][]byte{"bin": {0}}}},
	Secrets:    map[string]*corev1.Secret{"hush": {Data: map[string][]byte{"s": []byte("S"), "empty": nil}}},
	Tokens:     map[Token]string{{ExpirationSeconds: 3600}: "T", {Audience: "x", ExpirationSeconds: 600}: "X"},
}

func TestVolumeFiles(t *testing.T) {
	ref := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	yes, mode, short := true, int32(0o400), int64(600)
	conf := func(name string, optional *bool, items ...corev1.KeyToPath) corev1.VolumeSource {
		return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref(name), Optional: optional, Items: items}}
	}
	hush := func(name string, optional *bool, items ...corev1.KeyToPath) corev1.VolumeSource {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name, Optional: optional, Items: items, DefaultMode: &mode}}
	}
	hushMode := func(mode int32) corev1.VolumeSource {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "hush", DefaultMode: &mode}}
	}
	token := func(audience string, seconds *int64, path string) corev1.VolumeProjection {
		return corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: audience, ExpirationSeconds: seconds, Path: path}}
	}
	for _, row := range []struct {
		name   string
		source corev1.VolumeSource
		want   string // path=content:mode, sorted
		failed string
	}{
		{"a ConfigMap", conf("conf", nil), "a=A:644 b=:644 bin=\x00:644", ""},
		{"items with modes", conf("conf", nil, corev1.KeyToPath{Key: "a", Path: "x/y", Mode: &mode}, corev1.KeyToPath{Key: "b", Path: "z"}),
			"x/y=A:400 z=:644", ""},
		{"no modes at all", hushMode(0), "empty=:0 s=S:0", ""},
		{"no ConfigMap", conf("none", nil), "", `configmap "none" not found`},
		{"no ConfigMap, and it may be", conf("none", &yes), "", ""},
		{"no key", conf("conf", nil, corev1.KeyToPath{Key: "no", Path: "x"}), "", "configmap references non-existent config key: no"},
		{"no key, and it may be", conf("conf", &yes, corev1.KeyToPath{Key: "no", Path: "x"}, corev1.KeyToPath{Key: "a", Path: "a"}), "a=A:644", ""},
		{"a Secret", hush("hush", nil), "empty=:400 s=S:400", ""},
		{"no Secret", hush("none", nil), "", `secret "none" not found`},
		{"no key of a Secret", hush("hush", nil, corev1.KeyToPath{Key: "no", Path: "x"}), "", "references non-existent secret key: no"},
		{"all sources", corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: &mode, Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref("conf"), Items: []corev1.KeyToPath{{Key: "a", Path: "one"}}}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: ref("hush"), Items: []corev1.KeyToPath{{Key: "s", Path: "two"}}}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: ref("none"), Optional: &yes}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
				{Path: "name", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}},
			token("", nil, "t1"), token("x", &short, "t2"),
		}}}, "name=web:400 one=A:400 t1=T:400 t2=X:400 two=S:400", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			pod := mounting(row.source)
			v, err := volumeOf(pod, &pod.Spec.Volumes[0], &data)
			if row.failed != "" {
				if err == nil || err.Error() != row.failed {
					t.Errorf("error %v, want %s", err, row.failed)
				}
				return
			}
			var got []string
			for _, f := range v.Files.Items {
				got = append(got, fmt.Sprintf("%s=%s:%o", f.Path, f.Content, *f.Mode))
				if f.Content == nil {
					t.Errorf("%s has no content, not even none", f.Path)
				}
			}
			if s := strings.Join(got, " "); err != nil || s != row.want {
				t.Errorf("%q (%v), want %q", s, err, row.want)
			}
		})
	}
}

func TestTokenIsForItsUser(t *testing.T) {
	user := func(n int64) *corev1.SecurityContext { return &corev1.SecurityContext{RunAsUser: &n} }
	seven, group := int64(7), int64(9)
	for _, row := range []struct {
		name   string
		change func(*corev1.PodSpec)
		want   string
	}{
		{"nobody in particular", func(*corev1.PodSpec) {}, "644"},
		{"the pod's", func(p *corev1.PodSpec) { p.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &seven} }, "600 of 7"},
		{"all containers'", func(p *corev1.PodSpec) {
			p.Containers[0].SecurityContext, p.Containers[1].SecurityContext = user(8), user(8)
		}, "600 of 8"},
		{"one container's", func(p *corev1.PodSpec) { p.Containers[0].SecurityContext = user(8) }, "644"},
		{"two", func(p *corev1.PodSpec) {
			p.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &seven}
			p.InitContainers = []corev1.Container{{Name: "i", Image: "i:1", SecurityContext: user(8)}}
		}, "644"},
		{"a group's", func(p *corev1.PodSpec) { p.SecurityContext = &corev1.PodSecurityContext{FSGroup: &group} }, "600"},
	} {
		t.Run(row.name, func(t *testing.T) {
			pod := mounting(corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "./token"}}}}})
			row.change(&pod.Spec)
			v, err := volumeOf(pod, &pod.Spec.Volumes[0], &data)
			if err != nil {
				t.Fatal(err)
			}
			f := v.Files.Items[0]
			got := fmt.Sprintf("%o", *f.Mode)
			if f.User != nil {
				got += fmt.Sprintf(" of %d", *f.User)
			}
			if got != row.want || f.Path != "token" || !v.Files.Sensitive {
				t.Errorf("%s, want %s: %+v", got, row.want, f)
			}
		})
	}
}
