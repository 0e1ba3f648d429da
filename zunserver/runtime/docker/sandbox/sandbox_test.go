package sandbox_test

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime/docker/sandbox"
)

func program(t *testing.T) []byte {
	t.Helper()
	var rootfs bytes.Buffer
	if err := sandbox.Write(&rootfs, "amd64"); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(&rootfs)
	h, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if "/"+h.Name != sandbox.Path || h.Mode != 0o755 {
		t.Errorf("%s with mode %o", h.Name, h.Mode)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestProgramIsELF(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(program(t)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC || len(f.Progs) != 2 {
		t.Errorf("%+v", f.FileHeader)
	}
	for _, p := range f.Progs {
		if p.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X {
			t.Errorf("%v is writable and executable", p.Type)
		}
	}
}

func TestProgramEndsOnSignal(t *testing.T) {
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		t.Skip("the program is for linux/amd64")
	}
	path := filepath.Join(t.TempDir(), "sandbox")
	if err := os.WriteFile(path, program(t), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := exec.CommandContext(t.Context(), path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The handler is there once the program sleeps.
		for deadline := time.Now().Add(5 * time.Second); ; {
			stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "stat"))
			if err == nil && strings.Contains(string(stat), "(sandbox) S ") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("does not sleep: %s, %v", stat, err)
			}
			time.Sleep(time.Millisecond)
		}
		if err := cmd.Process.Signal(syscall.SIGCHLD); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
	}
}

func TestRef(t *testing.T) {
	ref, err := sandbox.Ref("amd64")
	if err != nil {
		t.Fatal(err)
	}
	// A new program is a new image: whoever changes it changes this line, and knows that hosts import it anew.
	if want := "capsulet/sandbox:e13553f18237"; ref != want {
		t.Errorf("%s, want %s", ref, want)
	}
	if _, err := sandbox.Ref("arm64"); !errdefs.IsNotImplemented(err) || !strings.Contains(err.Error(), "sandboxImage") {
		t.Errorf("arm64: %v", err)
	}
}

func TestAnotherProgramIsAnotherImage(t *testing.T) {
	other := sandbox.Program{Path: "/other", Size: 5, Read: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("other")), nil
	}}
	plain, err := sandbox.Ref("amd64")
	if err != nil {
		t.Fatal(err)
	}
	with, err := sandbox.Ref("amd64", other)
	if again, _ := sandbox.Ref("amd64", other); err != nil || with == plain || again != with {
		t.Errorf("%s and %s, without it %s: %v", with, again, plain, err)
	}
	var rootfs bytes.Buffer
	if err := sandbox.Write(&rootfs, "amd64", other); err != nil || !bytes.Contains(rootfs.Bytes(), []byte("other")) {
		t.Error(err)
	}
}
