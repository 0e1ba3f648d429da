package imports_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/imports"
)

// archive makes the archive of a layer, and lists what is in it.
func archive(t *testing.T, rootfs io.Reader) (all []byte, names []string) {
	t.Helper()
	l, err := imports.Spool(rootfs)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Discard()
	var out bytes.Buffer
	if err := l.Write(&out, "a:b", runtime.ImageConfig{Platform: "linux/arm64", Entrypoint: []string{"/$x"}}); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(bytes.NewReader(out.Bytes())); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if strings.HasSuffix(h.Name, ".json") && h.Name != "manifest.json" {
			doc, _ := io.ReadAll(r)
			if !bytes.Contains(doc, []byte(`"arm64"`)) || !bytes.Contains(doc, []byte(`"/$x"`)) {
				t.Errorf("configuration %s", doc)
			}
		}
	}
}

func TestTheSameContentIsTheSameArchive(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte("a root file system"))
	_ = z.Close()
	plain, names := archive(t, strings.NewReader("a root file system"))
	packed, _ := archive(t, &zipped)
	if !bytes.Equal(plain, packed) || len(names) != 3 || names[2] != "manifest.json" {
		t.Errorf("%d and %d bytes, %v", len(plain), len(packed), names)
	}
	if other, _ := archive(t, strings.NewReader("another")); bytes.Equal(plain, other) {
		t.Error("another content is the same archive")
	}
}

func TestWhatCannotBeUnpackedIsRefused(t *testing.T) {
	if _, err := imports.Spool(strings.NewReader("\x1f\x8bnot gzip")); !errdefs.IsInvalidArgument(err) {
		t.Error(err)
	}
}
