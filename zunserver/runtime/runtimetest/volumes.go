package runtimetest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

func (b *bench) volume(t *testing.T, name string, memory bool, size int64) runtime.Volume {
	t.Helper()
	cfg := runtime.VolumeConfig{Name: "capsulet_" + b.capsule + "_" + name, Capsule: b.capsule, Memory: memory, SizeBytes: size}
	v, err := b.Host.CreateVolume(b.context(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.Host.CreateVolume(b.context(t), cfg); err != nil || again != v || v.Mountpoint == "" {
		t.Errorf("made twice: %+v and %+v, %v", v, again, err)
	}
	return v
}

// look runs testprog's look at files in a container.
func (b *bench) look(t *testing.T, id string, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	code, err := b.Host.Exec(b.context(t), id, runtime.ExecConfig{
		Command: append([]string{Program, "fs"}, args...), Stdout: &out, Stderr: &out,
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String()), code
}

func testVolumes(t *testing.T, b *bench) {
	disk := b.volume(t, "disk", false, 0)
	memory := b.volume(t, "memory", true, 1<<20)
	t.Cleanup(func() {
		for _, v := range []runtime.Volume{disk, memory} {
			_ = b.Host.RemoveVolume(t.Context(), v.Name)
		}
	})
	if all, err := b.Host.ListVolumes(b.context(t), b.capsule); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := b.Other.ListVolumes(b.context(t), b.capsule); err != nil || len(all) != 0 {
		t.Errorf("another instance sees %+v, %v", all, err)
	}
	_, err := b.Other.CreateVolume(b.context(t), runtime.VolumeConfig{Name: disk.Name, Capsule: b.capsule})
	is(t, "the volume of another instance", err, errdefs.ErrAlreadyExists)

	mounts := []runtime.Mount{
		{Kind: runtime.MountNamed, Source: disk.Name, Target: "/disk"},
		{Kind: runtime.MountNamed, Source: memory.Name, Target: "/memory"},
	}
	cfg := b.sandboxConfig()
	cfg.Mounts = mounts
	sandbox := b.running(t, cfg)
	one, two := b.config("one", b.Sleep...), b.config("two", b.Sleep...)
	one.Mounts = mounts
	two.Mounts = []runtime.Mount{mounts[0], mounts[1]}
	two.Mounts[0].ReadOnly = true
	first, second := b.running(t, one), b.running(t, two)
	for _, dir := range []string{"/disk", "/memory"} {
		if out, code := b.look(t, first, "write", dir+"/note", "dear neighbour"); code != 0 {
			t.Fatal(out)
		}
		if out, _ := b.look(t, second, "read", dir+"/note"); out != "dear neighbour" {
			t.Errorf("%s: the neighbour sees %q", dir, out)
		}
	}
	if out, code := b.look(t, second, "write", "/disk/other", "x"); code == 0 {
		t.Errorf("a read-only mount was written to: %s", out)
	}
	is(t, "remove what is in use", b.Host.RemoveVolume(b.context(t), disk.Name), errdefs.ErrFailedPrecondition)
	for _, id := range []string{first, second, sandbox} {
		if err := b.Host.Remove(b.context(t), id); err != nil {
			t.Fatal(err)
		}
	}
	b.emptied(t, mounts)
	for _, v := range []runtime.Volume{disk, memory, disk} {
		if err := b.Host.RemoveVolume(b.context(t), v.Name); err != nil {
			t.Error(err)
		}
	}
}

// emptied demands that what was on the disk is there for the next containers, and what was in memory is not.
func (b *bench) emptied(t *testing.T, mounts []runtime.Mount) {
	t.Helper()
	cfg := b.sandboxConfig()
	cfg.Mounts = mounts
	sandbox := b.running(t, cfg)
	app := b.config("three", b.Sleep...)
	app.Mounts = mounts
	id := b.running(t, app)
	if out, _ := b.look(t, id, "read", "/disk/note"); out != "dear neighbour" {
		t.Errorf("on the disk: %q", out)
	}
	if out, _ := b.look(t, id, "list", "/memory"); out != "" {
		t.Errorf("in memory: %q", out)
	}
	for _, id := range []string{id, sandbox} {
		if err := b.Host.Remove(b.context(t), id); err != nil {
			t.Fatal(err)
		}
	}
}

func testStats(t *testing.T, b *bench) {
	cfg := b.sandboxConfig()
	cfg.Network = ""
	sandbox := b.running(t, cfg)
	app := b.running(t, b.config("app", b.Sleep...))
	u, networks, err := b.Host.Stats(b.context(t), sandbox)
	if err != nil || len(networks) != 1 || networks[0].Name != "eth0" {
		t.Errorf("sandbox: %+v, %+v, %v", u, networks, err)
	}
	u, _, err = b.Host.Stats(b.context(t), app)
	if err != nil || time.Since(u.At) > time.Minute || b.Engine && (u.CPUNanos == 0 || u.WorkingSetBytes == 0) {
		t.Errorf("container: %+v, %v", u, err)
	}
	if err := b.Host.Stop(b.context(t), app, 0); err != nil {
		t.Fatal(err)
	}
	_, _, err = b.Host.Stats(b.context(t), app)
	is(t, "statistics of what has ended", err, errdefs.ErrNotFound)
	_, _, err = b.Host.Stats(b.context(t), "none")
	is(t, "statistics of nothing", err, errdefs.ErrNotFound)
}
