package fake_test

import (
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

func TestSuite(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T) runtimetest.Subject {
		h := fake.New(fake.Config{Instance: "suite", VolumeDir: t.TempDir()})
		h.Add(fake.Image{Ref: runtimetest.ImageRef, Program: fake.Testprog, Info: runtime.Image{
			Entrypoint: []string{runtimetest.Program}, Cmd: []string{"sleep"},
		}})
		return runtimetest.Testprog(runtimetest.Subject{
			Host: h, Instance: "suite", Other: h.As("other"), OtherInstance: "other",
			Missing: "capsulet/missing:1", MissingIs: []error{errdefs.ErrNotFound},
		})
	})
}
