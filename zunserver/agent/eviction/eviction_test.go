package eviction

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func container(name, limit string) capsule.ContainerSpec {
	cs := capsule.ContainerSpec{Name: name}
	if limit != "" {
		cs.Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse(limit)}
	}
	return cs
}

func TestOver(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	for _, row := range []struct {
		name string
		edit func(*capsule.Spec, *Used)
		want string
	}{
		{"under", func(*capsule.Spec, *Used) {}, ""},
		{"no limit at all", func(s *capsule.Spec, u *Used) {
			s.Containers, u.Volumes = []capsule.ContainerSpec{container("a", "")}, 1<<40
		}, ""},
		{"one container", func(_ *capsule.Spec, u *Used) { u.Containers["a"] = 11 << 20 },
			`Container a exceeded its local ephemeral storage limit "10Mi". `},
		{"all together", func(_ *capsule.Spec, u *Used) { u.Volumes = 31 << 20 },
			`Pod ephemeral local storage usage exceeds the total limit of containers 30Mi. `},
		{"what has no limit counts for the whole", func(s *capsule.Spec, u *Used) {
			s.Containers, u.Containers["c"] = append(s.Containers, container("c", "")), 31<<20
		}, `Pod ephemeral local storage usage exceeds the total limit of containers 30Mi. `},
		{"a sidecar's limit is one more", func(s *capsule.Spec, u *Used) {
			s.InitContainers = []capsule.ContainerSpec{container("side", "10Mi")}
			s.InitContainers[0].RestartPolicy = &always
			u.Volumes = 31 << 20
		}, ""},
		{"an init container may need the most", func(s *capsule.Spec, u *Used) {
			s.InitContainers, u.Volumes = []capsule.ContainerSpec{container("init", "50Mi")}, 45<<20
		}, ""},
		{"an init container", func(s *capsule.Spec, u *Used) {
			s.InitContainers, u.Containers["init"] = []capsule.ContainerSpec{container("init", "5Mi")}, 6<<20
		}, `Container init exceeded its local ephemeral storage limit "5Mi". `},
		{"a limit of nothing", func(s *capsule.Spec, u *Used) {
			s.Containers, u.Containers = []capsule.ContainerSpec{container("a", "0")}, map[string]int64{"a": 4096}
		}, `Pod ephemeral local storage usage exceeds the total limit of containers 0. `},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := capsule.Spec{Containers: []capsule.ContainerSpec{container("a", "10Mi"), container("b", "20Mi")}}
			u := Used{Containers: map[string]int64{"a": 1 << 20, "b": 1 << 20}, Volumes: 1 << 20}
			row.edit(&s, &u)
			if got := Over(&s, u); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}
