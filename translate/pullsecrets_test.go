package translate

import (
	"encoding/base64"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestCredentials(t *testing.T) {
	for _, row := range []struct {
		name, server, image string
		want                bool
	}{
		{"host", "registry.example.com", "registry.example.com/team/app:1", true},
		{"with a scheme", "https://registry.example.com", "registry.example.com/app", true},
		{"with a version", "https://registry.example.com/v2/", "registry.example.com/app", true},
		{"another host", "registry.example.com", "other.example.com/app", false},
		{"a host that only begins alike", "registry.example.com", "registry.example.com.evil.org/app", false},
		{"wildcard", "*.example.com", "registry.example.com/app", true},
		{"a wildcard is one element", "*.example.com", "a.b.example.com/app", false},
		{"port", "registry.example.com:5000", "registry.example.com:5000/app", true},
		{"another port", "registry.example.com:5000", "registry.example.com/app", false},
		{"path", "registry.example.com/team", "registry.example.com/team/app", true},
		{"another path", "registry.example.com/team", "registry.example.com/other/app", false},
		{"the hub", "https://index.docker.io/v1/", "nginx", true},
		{"the hub by name", "docker.io", "team/app", true},
		{"the hub is not everybody", "https://index.docker.io/v1/", "registry.example.com/app", false},
		{"no image", "registry.example.com", "Registry.example.com/APP::", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			ring := keyring{}
			if !ring.add(configSecret(`{"auths":{"` + row.server + `":{"username":"u","password":"p"}}}`)) {
				t.Fatal("secret refused")
			}
			if got := ring.credentials(row.image); (len(got) == 1) != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func configSecret(content string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(content)}}
}

func TestKeyring(t *testing.T) {
	auth := base64.StdEncoding.EncodeToString([]byte("name:pass:word"))
	old := &corev1.Secret{Type: corev1.SecretTypeDockercfg, Data: map[string][]byte{corev1.DockerConfigKey: []byte(`{"r.io":{"auth":"` + auth + `"}}`)}}
	pod := &corev1.Pod{Spec: corev1.PodSpec{ImagePullSecrets: []corev1.LocalObjectReference{{Name: "narrow"}, {Name: "old"}, {Name: "absent"}, {Name: "broken"}, {}}}}
	src := Sources{Secrets: map[string]*corev1.Secret{
		"narrow": configSecret(`{"auths":{"r.io/team":{"username":"n","password":"x"}}}`), "old": old, "broken": configSecret(`{`),
	}}
	ring, lacking := keyringOf(pod, &src)
	if len(lacking) != 2 || lacking[0] != "absent" || lacking[1] != "broken" {
		t.Errorf("lacking %v", lacking)
	}
	got := ring.credentials("r.io/team/app")
	if len(got) != 2 || got[0].Username != "n" || got[1].Username != "name" || got[1].Password != "pass:word" {
		t.Errorf("the most specific comes first: %d credentials", len(got))
	}
}
