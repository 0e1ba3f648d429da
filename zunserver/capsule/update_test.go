package capsule

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func ptr[T any](v T) *T { return &v }

// changeable is a spec with something in every part that may change, and in some that may not.
func changeable() *Spec {
	return &Spec{
		Name: "web", Labels: map[string]string{"a": "1"}, RestartPolicy: RestartAlways, Hash: "h1",
		Annotations:           map[string]string{"capsulet.io/pod-uid": "u", "note": "n"},
		ActiveDeadlineSeconds: ptr(int64(100)),
		InitContainers:        []ContainerSpec{{UUID: "i-1", Name: "init", Image: "x"}},
		Containers: []ContainerSpec{{UUID: "c-1", Name: "app", Image: "x", Resources: corev1.ResourceRequirements{
			Limits: corev1.ResourceList{"cpu": resource.MustParse("1"), "ephemeral-storage": resource.MustParse("1Gi")}},
			Env: []EnvVar{{Name: "P", Value: "secret", Sensitive: true}}}},
		Volumes: []Volume{
			{Name: "data", EmptyDir: &corev1.EmptyDirVolumeSource{}},
			{Name: "conf", Files: &FilesVolume{Sensitive: true, Items: []File{{Path: "a", Content: []byte("A")}}}}},
	}
}

func TestFrozen(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Spec)
		frozen []string
	}{
		{"nothing", func(*Spec) {}, nil},
		{"labels", func(s *Spec) { s.Labels = map[string]string{"b": "2"} }, nil},
		{"no labels", func(s *Spec) { s.Labels = nil }, nil},
		{"annotations", func(s *Spec) { s.Annotations["note"] = "m" }, nil},
		{"identity", func(s *Spec) { s.Annotations["capsulet.io/pod-uid"] = "v" }, []string{"metadata.annotations.capsulet.io/pod-uid"}},
		{"no identity", func(s *Spec) { s.Annotations = nil }, []string{"metadata.annotations"}},
		{"a new identity", func(s *Spec) { s.Annotations["capsulet.io/node"] = "v" }, []string{"metadata.annotations.capsulet.io/node"}},
		{"name", func(s *Spec) { s.Name = "web2" }, []string{"metadata.name"}},
		{"a shorter deadline", func(s *Spec) { s.ActiveDeadlineSeconds = ptr(int64(5)) }, nil},
		{"a longer deadline", func(s *Spec) { s.ActiveDeadlineSeconds = ptr(int64(500)) }, []string{"spec.activeDeadlineSeconds"}},
		{"no deadline", func(s *Spec) { s.ActiveDeadlineSeconds = nil }, []string{"spec.activeDeadlineSeconds"}},
		{"networks", func(s *Spec) { s.Nets = []Net{{Network: "blue"}} }, nil},
		{"hash", func(s *Spec) { s.Hash = "h2" }, nil},
		{"UUIDs", func(s *Spec) { s.Containers[0].UUID, s.InitContainers[0].UUID = "", "" }, nil},
		{"image", func(s *Spec) { s.Containers[0].Image = "y" }, []string{"spec.containers[0].image"}},
		{"images", func(s *Spec) { s.Containers[0].Image, s.InitContainers[0].Image = "y", "y" },
			[]string{"spec.containers[0].image", "spec.initContainers[0].image"}},
		{"a container more", func(s *Spec) { s.Containers = append(s.Containers, ContainerSpec{Name: "b"}) }, []string{"spec.containers"}},
		{"env", func(s *Spec) { s.Containers[0].Env = append(s.Containers[0].Env, EnvVar{Name: "B"}) }, nil},
		{"cpu and memory", func(s *Spec) {
			l := s.Containers[0].Resources.Limits
			l["cpu"], l["memory"] = resource.MustParse("2"), resource.MustParse("1Gi")
		}, nil},
		{"no cpu", func(s *Spec) { delete(s.Containers[0].Resources.Limits, "cpu") }, nil},
		{"ephemeral storage", func(s *Spec) { s.Containers[0].Resources.Limits["ephemeral-storage"] = resource.MustParse("2Gi") },
			[]string{"spec.containers[0].resources.limits.ephemeral-storage"}},
		{"files", func(s *Spec) { s.Volumes[1].Files.Items = []File{{Path: "b", Content: []byte("B"), Mode: new(int32)}} }, nil},
		{"no files", func(s *Spec) { s.Volumes[1].Files.Items = nil }, nil},
		{"files that are no secret any more", func(s *Spec) { s.Volumes[1].Files.Sensitive = false }, []string{"spec.volumes[1].files.sensitive"}},
		{"another volume", func(s *Spec) { s.Volumes[0].Name = "other" }, []string{"spec.volumes[0].name"}},
		{"a volume more", func(s *Spec) { s.Volumes = append(s.Volumes, Volume{Name: "x"}) }, []string{"spec.volumes"}},
		{"another source", func(s *Spec) { s.Volumes[0] = Volume{Name: "data", Files: &FilesVolume{}} },
			[]string{"spec.volumes[0].emptyDir", "spec.volumes[0].files"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, next, before := changeable(), changeable(), changeable()
			row.change(next)
			got, err := s.Frozen(next, false)
			if err != nil || !slices.Equal(got, row.frozen) {
				t.Errorf("frozen %q (%v), want %q", got, err, row.frozen)
			}
			if d := cmp.Diff(before, s); d != "" {
				t.Errorf("the spec was changed:\n%s", d)
			}
			if row.frozen != nil {
				return
			}
			s.Adopt(next, false)
			next.Containers[0].UUID, next.InitContainers[0].UUID = "c-1", "i-1"
			if d := cmp.Diff(next, s); d != "" {
				t.Errorf("adopted, want -, got +:\n%s", d)
			}
		})
	}
}

// Images change in place only where that is asked for, each change is counted, and of ephemeral containers they stay.
func TestAdoptImages(t *testing.T) {
	s, next := changeable(), changeable()
	debug := ContainerSpec{Name: "debug", Image: "x"}
	s.EphemeralContainers, next.EphemeralContainers = []ContainerSpec{debug}, []ContainerSpec{debug}
	next.Containers[0].Image, next.InitContainers[0].Image, next.EphemeralContainers[0].Image = "y", "y", "y"
	next.Containers[0].Definition = 7 // the server's: it does not count
	if frozen, err := s.Frozen(next, true); err != nil || !slices.Equal(frozen, []string{"spec.ephemeralContainers[0].image"}) {
		t.Errorf("frozen %q (%v)", frozen, err)
	}
	s.Adopt(next, true)
	s.Adopt(next, true)
	if c, i, e := s.Containers[0], s.InitContainers[0], s.EphemeralContainers[0]; c.Image != "y" || c.Definition != 1 ||
		i.Image != "y" || i.Definition != 1 || e.Image != "x" || e.Definition != 0 {
		t.Errorf("%+v\n%+v\n%+v", c, i, e)
	}
	next.Containers[0].Image = "x"
	if s.Adopt(next, true); s.Containers[0].Definition != 2 {
		t.Errorf("back to what it was: definition %d", s.Containers[0].Definition)
	}
}

func TestUnmask(t *testing.T) {
	s, next := changeable(), changeable()
	next.Containers[0].Env[0].Value = Masked
	next.Volumes[1].Files.Items = []File{{Path: "a"}, {Path: "new"}, {Path: "empty", Content: []byte{}}}
	s.Unmask(next)
	if v := next.Containers[0].Env[0].Value; v != "secret" {
		t.Errorf("variable %q", v)
	}
	items := next.Volumes[1].Files.Items
	if string(items[0].Content) != "A" || items[1].Content != nil || items[2].Content == nil {
		t.Errorf("files %+v", items)
	}
}
