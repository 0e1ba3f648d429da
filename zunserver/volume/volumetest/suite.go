// Package volumetest is the suite that every volume driver passes: what containers see of their volumes, whichever way they
// come to the host. It looks through containers only, so it reads the same for a driver that works on directories and for
// one that works through an engine.
package volumetest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
	"github.com/capsulet/capsulet/zunserver/volume"
)

// Subject is a driver and the host that it serves.
type Subject struct {
	Driver   volume.Driver
	Host     runtime.Host
	Instance string
	// HostDir is a directory on the host for hostPath volumes; it has a directory "dir" and a file "file", and none called
	// "made". Made says whether a path of the host is a directory.
	HostDir string
	Made    func(path string) bool
	// Inside: sandboxes have the program of package inside.
	Inside bool
	// Engine: it is a real one, whose archives have what a container wrote. Limits: volumes in memory keep to their size.
	Engine, Limits bool
}

// patience is how long the suite waits for what must happen.
const patience = 60 * time.Second

// Run runs the suite. newSubject is called for each test.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"EmptyDir", testEmptyDir},
		{"Memory", testMemory},
		{"Files", testFiles},
		{"Update", testUpdate},
		{"SubPath", testSubPath},
		{"SubPathDoesNotEscape", testSubPathDoesNotEscape},
		{"HostPath", testHostPath},
		{"Hosts", testHosts},
		{"LastWords", testLastWords},
		{"Refusals", testRefusals},
		{"Usage", testUsage},
		{"Remove", testRemove},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, newBench(t, newSubject(t))) })
	}
}

// bench is a subject with a capsule of its own for one test.
type bench struct {
	Subject
	c       *capsule.Capsule
	volumes map[string]runtime.Mount
	sandbox volume.Sandbox
}

func newBench(t *testing.T, s Subject) *bench {
	t.Helper()
	b := &bench{Subject: s, c: &capsule.Capsule{UUID: uuid.NewString()}}
	b.c.Spec.Name = "volumes"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		b.end(ctx, t)
		if err := s.Driver.Remove(ctx, b.c.UUID); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return b
}

// end removes the containers.
func (b *bench) end(ctx context.Context, t *testing.T) {
	list, err := b.Host.List(ctx, b.c.UUID)
	if err != nil {
		t.Errorf("clean up: %v", err)
	}
	for _, c := range list {
		if err := b.Host.Remove(ctx, c.ID); err != nil {
			t.Errorf("clean up: %v", err)
		}
	}
}

func (b *bench) context(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// with gives the capsule a volume.
func (b *bench) with(name string, v capsule.Volume) {
	v.Name = name
	b.c.Spec.Volumes = append(b.c.Spec.Volumes, v)
}

func emptyDir(medium corev1.StorageMedium, size string) capsule.Volume {
	e := &corev1.EmptyDirVolumeSource{Medium: medium}
	if size != "" {
		q := resource.MustParse(size)
		e.SizeLimit = &q
	}
	return capsule.Volume{EmptyDir: e}
}

func files(sensitive bool, items ...capsule.File) capsule.Volume {
	return capsule.Volume{Files: &capsule.FilesVolume{Items: items, Sensitive: sensitive}}
}

func file(path, content string, mode int32) capsule.File {
	f := capsule.File{Path: path, Content: []byte(content)}
	if mode != 0 {
		f.Mode = &mode
	}
	return f
}

// mount adds a container that mounts a volume at /<volume>; edit may change the mount.
func (b *bench) mount(container, volume string, edit ...func(*corev1.VolumeMount)) {
	cs, _ := b.c.Spec.Container(container)
	if cs == nil {
		b.c.Spec.Containers = append(b.c.Spec.Containers, capsule.ContainerSpec{Name: container, Image: runtimetest.ImageRef})
		cs = &b.c.Spec.Containers[len(b.c.Spec.Containers)-1]
	}
	vm := corev1.VolumeMount{Name: volume, MountPath: "/" + volume}
	for _, e := range edit {
		e(&vm)
	}
	cs.VolumeMounts = append(cs.VolumeMounts, vm)
}

// up prepares the volumes and starts the sandbox.
func (b *bench) up(t *testing.T) {
	t.Helper()
	ctx := b.context(t)
	var err error
	if b.volumes, err = b.Driver.Prepare(ctx, b.c); err != nil {
		t.Fatal(err)
	}
	cfg := runtime.ContainerConfig{
		Name:     "capsulet-sandbox_volumes_" + b.c.UUID + "_" + uuid.NewString()[:8],
		Identity: runtime.Identity{Instance: b.Instance, Capsule: b.c.UUID, CapsuleName: "volumes"},
		Mounts:   b.Driver.SandboxMounts(b.c), Inside: b.Inside,
	}
	id, err := b.Host.Create(ctx, cfg)
	if err == nil {
		err = b.Host.Start(ctx, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	seen, err := b.Host.Inspect(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	b.sandbox.ID, b.sandbox.Addresses = id, seen.Addresses
}

// fill does what comes before a container starts.
func (b *bench) fill(t *testing.T) {
	t.Helper()
	if err := b.Driver.Fill(b.context(t), b.c, b.sandbox); err != nil {
		t.Fatal(err)
	}
}

// mounts are those of a container, parts of volumes included.
func (b *bench) mounts(t *testing.T, container string) ([]runtime.Mount, error) {
	t.Helper()
	cs, _ := b.c.Spec.Container(container)
	var ms []runtime.Mount
	for i, vm := range cs.VolumeMounts {
		m := b.volumes[vm.Name]
		if vm.SubPath != "" {
			var err error
			if m, err = b.Driver.SubPath(b.context(t), b.c, b.sandbox, volume.SubPath{Container: container, Index: i, Volume: m, Path: vm.SubPath}); err != nil {
				return nil, err
			}
		}
		m.Target, m.ReadOnly = vm.MountPath, m.ReadOnly || vm.ReadOnly
		ms = append(ms, m)
	}
	return ms, nil
}

// place is a container that runs.
type place struct {
	b  *bench
	id string
}

// run starts a container with its mounts, and more.
func (b *bench) run(t *testing.T, container string, more ...runtime.Mount) place {
	t.Helper()
	ms, err := b.mounts(t, container)
	if err != nil {
		t.Fatal(err)
	}
	return b.start(t, container, append(ms, more...), runtimetest.Program, "sleep")
}

func (b *bench) start(t *testing.T, container string, mounts []runtime.Mount, command ...string) place {
	t.Helper()
	ctx := b.context(t)
	id, err := b.Host.Create(ctx, runtime.ContainerConfig{
		Name:     "capsulet_" + container + "_volumes_" + b.c.UUID + "_" + uuid.NewString()[:8],
		Identity: runtime.Identity{Instance: b.Instance, Capsule: b.c.UUID, CapsuleName: "volumes", Container: container},
		Image:    runtimetest.ImageRef, Command: command, Sandbox: b.sandbox.ID, Mounts: mounts,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.fill(t)
	if err := b.Host.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	return place{b, id}
}

// try runs testprog's look at files in the container and says whether it worked.
func (p place) try(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	var out bytes.Buffer
	code, err := p.b.Host.Exec(p.b.context(t), p.id, runtime.ExecConfig{
		Command: append([]string{runtimetest.Program, "fs"}, args...), Stdout: &out, Stderr: &out,
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String()), code == 0
}

// want demands what a look shows.
func (p place) want(t *testing.T, want string, args ...string) {
	t.Helper()
	if got, ok := p.try(t, args...); got != want || !ok {
		t.Errorf("%q: %q, want %q", args, got, want)
	}
}

// fails demands that a look fails.
func (p place) fails(t *testing.T, args ...string) {
	t.Helper()
	if got, ok := p.try(t, args...); ok {
		t.Errorf("%q works: %q", args, got)
	}
}
