package volume_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
	"github.com/capsulet/capsulet/zunserver/volume"
	"github.com/capsulet/capsulet/zunserver/volume/volumetest"
)

// inMemory is a host in memory whose volumes are directories of the test's.
func inMemory(t *testing.T) volumetest.Subject {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("files that belong to others need root")
	}
	h := fake.New(fake.Config{Instance: "suite", VolumeDir: t.TempDir()})
	h.Add(fake.Image{Ref: runtimetest.ImageRef, Program: fake.Testprog, Info: runtime.Image{Entrypoint: []string{runtimetest.Program}}})
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return volumetest.Subject{
		Host: h, Instance: "suite", HostDir: dir, Inside: true,
		Made: func(path string) bool { info, err := os.Stat(path); return err == nil && info.IsDir() },
	}
}

func TestSuiteOfNearOnAHostInMemory(t *testing.T) {
	volumetest.Run(t, func(t *testing.T) volumetest.Subject {
		s := inMemory(t)
		s.Driver, s.Limits = near(t), true
		return s
	})
}

func TestSuiteOfFarOnAHostInMemory(t *testing.T) {
	volumetest.Run(t, func(t *testing.T) volumetest.Subject {
		s := inMemory(t)
		s.Driver = volume.NewFar(s.Host)
		return s
	})
}
