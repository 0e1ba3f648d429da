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

func onDisk(bytes uint64) []capsule.VolumeStorage {
	return []capsule.VolumeStorage{{Name: "v", UsedBytes: bytes, Ephemeral: true}}
}

func TestOver(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	for _, row := range []struct {
		name string
		edit func(*capsule.Spec, *capsule.Storage)
		want string
	}{
		{"under", func(*capsule.Spec, *capsule.Storage) {}, ""},
		{"no limit at all", func(s *capsule.Spec, u *capsule.Storage) {
			s.Containers, u.Volumes = []capsule.ContainerSpec{container("a", "")}, onDisk(1<<40)
		}, ""},
		{"one container", func(_ *capsule.Spec, u *capsule.Storage) {
			u.Containers["a"] = capsule.ContainerStorage{WritableBytes: 11 << 20}
		},
			`Container a exceeded its local ephemeral storage limit "10Mi". `},
		{"all together", func(_ *capsule.Spec, u *capsule.Storage) { u.Volumes = onDisk(31 << 20) },
			`Pod ephemeral local storage usage exceeds the total limit of containers 30Mi. `},
		{"what has no limit counts for the whole", func(s *capsule.Spec, u *capsule.Storage) {
			s.Containers, u.Containers["c"] = append(s.Containers, container("c", "")), capsule.ContainerStorage{WritableBytes: 1 << 20, LogBytes: 30 << 20}
		}, `Pod ephemeral local storage usage exceeds the total limit of containers 30Mi. `},
		{"a sidecar's limit is one more", func(s *capsule.Spec, u *capsule.Storage) {
			s.InitContainers = []capsule.ContainerSpec{container("side", "10Mi")}
			s.InitContainers[0].RestartPolicy = &always
			u.Volumes = onDisk(31 << 20)
		}, ""},
		{"an init container may need the most", func(s *capsule.Spec, u *capsule.Storage) {
			s.InitContainers, u.Volumes = []capsule.ContainerSpec{container("init", "50Mi")}, onDisk(45<<20)
		}, ""},
		{"an init container", func(s *capsule.Spec, u *capsule.Storage) {
			s.InitContainers, u.Containers["init"] = []capsule.ContainerSpec{container("init", "5Mi")}, capsule.ContainerStorage{LogBytes: 6 << 20}
		}, `Container init exceeded its local ephemeral storage limit "5Mi". `},
		{"a limit of nothing", func(s *capsule.Spec, u *capsule.Storage) {
			s.Containers, u.Containers = []capsule.ContainerSpec{container("a", "0")}, map[string]capsule.ContainerStorage{"a": {WritableBytes: 4096}}
		}, `Pod ephemeral local storage usage exceeds the total limit of containers 0. `},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := capsule.Spec{Containers: []capsule.ContainerSpec{container("a", "10Mi"), container("b", "20Mi")}}
			mib := capsule.ContainerStorage{WritableBytes: 1 << 20}
			u := capsule.Storage{Containers: map[string]capsule.ContainerStorage{"a": mib, "b": mib},
				Volumes: append(onDisk(1<<20), capsule.VolumeStorage{Name: "in memory", UsedBytes: 1 << 40})}
			row.edit(&s, &u)
			if got := Over(&s, &u); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}
