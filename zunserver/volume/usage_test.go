package volume_test

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/volume"
)

func TestOverfull(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		volume capsule.Volume
		bytes  int
		want   string
	}{
		{"under its limit", emptyDir(corev1.StorageMediumDefault, "1Mi"), 100 << 10, ""},
		{"over its limit", emptyDir(corev1.StorageMediumDefault, "1Mi"), 2 << 20, `Usage of EmptyDir volume "data" exceeds the limit "1Mi". `},
		{"without a limit", emptyDir(corev1.StorageMediumDefault, ""), 2 << 20, ""},
		{"a limit of nothing is none", emptyDir(corev1.StorageMediumDefault, "0"), 2 << 20, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := onDisk(t)
			c := with(row.volume, nil)
			m := prepare(t, n, c)
			if err := os.MkdirAll(filepath.Join(m.Source, "deep"), 0o755); err != nil {
				t.Fatal(err)
			}
			large := filepath.Join(m.Source, "deep", "large")
			if err := os.WriteFile(large, make([]byte, row.bytes), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(large, filepath.Join(m.Source, "again")); err != nil {
				t.Fatal(err)
			}
			if got, err := n.Overfull(t.Context(), c); err != nil || got != row.want {
				t.Errorf("%q, %v; want %q", got, err, row.want)
			}
			if limited := volume.Limited(&c.Spec); limited != (row.volume.EmptyDir.SizeLimit != nil && row.volume.EmptyDir.SizeLimit.Sign() > 0) {
				t.Errorf("limited: %v", limited)
			}
		})
	}
}

func TestUsed(t *testing.T) {
	t.Parallel()
	n := onDisk(t)
	c := with(emptyDir(corev1.StorageMediumDefault, ""), nil)
	theirs := t.TempDir()
	c.Spec.Volumes = append(c.Spec.Volumes, capsule.Volume{Name: "conf", Files: &capsule.FilesVolume{Items: []capsule.File{file("a", string(make([]byte, 1<<20)), -1)}}},
		capsule.Volume{Name: "theirs", HostPath: &corev1.HostPathVolumeSource{Path: theirs}},
		capsule.Volume{Name: "never", EmptyDir: &corev1.EmptyDirVolumeSource{}})
	mounts, err := n.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for dir, bytes := range map[string]int{mounts["data"].Source: 2 << 20, theirs: 8 << 20} {
		if err := os.WriteFile(filepath.Join(dir, "f"), make([]byte, bytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(mounts["never"].Source); err != nil {
		t.Fatal(err)
	}
	local := t.TempDir()
	c.Spec.Volumes = append(c.Spec.Volumes, capsule.Volume{Name: "local", Local: &corev1.LocalVolumeSource{Path: local}})
	got, err := n.Used(t.Context(), c)
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v; want those of data, conf and local", got, err)
	}
	for i, want := range []struct {
		name      string
		bytes     uint64
		ephemeral bool
	}{{"data", 2 << 20, true}, {"conf", 1 << 20, true}} {
		if v := got[i]; v.Name != want.name || v.UsedBytes < want.bytes || v.UsedBytes > want.bytes+64<<10 || v.Ephemeral != want.ephemeral || v.CapacityBytes == 0 || v.AvailableBytes == 0 {
			t.Errorf("%+v; want %+v and the directories", v, want)
		}
	}
	if v := got[2]; v.Name != "local" || v.Ephemeral || v.UsedBytes == 0 || v.CapacityBytes < v.UsedBytes+v.AvailableBytes/2 {
		t.Errorf("%+v; want what is used of the file system", v)
	}
}
