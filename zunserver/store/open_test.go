package store

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestSealing(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	s := open(t, Config{DataDir: dir, SealKey: key})
	c := create(t, s)
	raw, err := s.client.Get(t.Context(), s.capsuleKey(c.UUID))
	if err != nil {
		t.Fatal(err)
	}
	if v := raw.Kvs[0].Value; bytes.Contains(v, []byte("hunter2")) || bytes.Contains(v, []byte("TOKEN")) {
		t.Error("the record is readable")
	}
	// A sealed record under another name does not open.
	other := uuid.NewString()
	if _, err := s.client.Put(t.Context(), s.capsuleKey(other), string(raw.Kvs[0].Value)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Capsule(t.Context(), other); !errdefs.IsDataLoss(err) {
		t.Errorf("moved record: %v", err)
	}
	if _, _, err := s.Capsules(t.Context()); !errdefs.IsDataLoss(err) {
		t.Errorf("list with a moved record: %v", err)
	}
	if _, err := s.client.Delete(t.Context(), s.capsuleKey(other)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("hunter2")) {
			t.Errorf("%s contains the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Config{DataDir: dir, SealKey: newKey(t)})
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "store.sealKeyFile") {
		t.Errorf("wrong key: %v", err)
	}
	if again := open(t, Config{DataDir: dir, SealKey: key}); again != nil {
		if got, err := again.Capsule(t.Context(), c.UUID); err != nil || !cmp.Equal(got, c) {
			t.Errorf("after the wrong key: %v %s", err, cmp.Diff(c, got))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(t.Context(), Config{DataDir: t.TempDir(), SealKey: []byte("short")}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("short key: %v", err)
	}
	if _, err := Open(t.Context(), Config{SealKey: newKey(t)}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("no directory: %v", err)
	}
	dir := t.TempDir()
	open(t, Config{DataDir: dir})
	start := time.Now()
	_, err := Open(t.Context(), Config{DataDir: dir, SealKey: newKey(t)})
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "in use by another capsulet process") {
		t.Errorf("second server: %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the refusal took %s", d)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the data directory: %v %v", info.Mode(), err)
	}
}

// TestNoListener looks into the kernel's tables for a socket of this process that listens.
func TestNoListener(t *testing.T) {
	open(t, Config{})
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			t.Skip("no /proc:", err)
		}
		inodes := ownSockets(t)
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && inodes[f[9]] {
				t.Errorf("the embedded server listens: %s", line)
			}
		}
	}
	if _, err := net.DialTimeout("tcp", "127.0.0.1:1", time.Second); err == nil {
		t.Error("somebody listens at the member's nominal address")
	}
}

func ownSockets(t *testing.T) map[string]bool {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[string]bool{}
	for _, fd := range fds {
		link, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		if inode, ok := strings.CutPrefix(link, "socket:["); ok {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return inodes
}
