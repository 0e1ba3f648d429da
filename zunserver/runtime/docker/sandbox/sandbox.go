// Package sandbox makes the image of the sandbox: one static program of a few hundred bytes that holds the namespaces
// of a capsule. It is assembled here, so that neither a compiler nor a registry nor a binary in the repository is
// needed, and the same bytes come out everywhere.
//
// What the program does, as PID 1:
//
//	SIGCHLD → ignored        the kernel reaps orphans by itself, also those of a shared PID namespace
//	SIGTERM, SIGINT → exit 0
//	pause for ever           no heap, no thread, no timer: a few kB of memory
//
// Decisions (2026-11-20): a program of our own rather than a pause image, because hosts without a registry have to work.
// Machine code is written for amd64 only: code that nobody has run is not shipped; other architectures configure a
// sandbox image.
package sandbox

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
)

// Repository is the name of the image; its tag is the hash of its content.
const Repository = "capsulet/sandbox"

// Path is where the program lies in the image; it is the ENTRYPOINT.
const Path = "/sandbox"

// Program is another program for the image, which a host that is not near runs on demand. Read returns the same bytes each
// time.
type Program struct {
	Path string // in the image
	Read func() (io.ReadCloser, error)
	Size int64
}

// Write writes the root file system of the image as a tar stream, always the same bytes for the same programs. The
// architecture is in Go's words. NotImplemented: there is no program for it.
func Write(out io.Writer, arch string, others ...Program) error {
	if arch != "amd64" {
		return fmt.Errorf("there is no built-in sandbox image for %s: set sandboxImage: %w", arch, errdefs.ErrNotImplemented)
	}
	resident := elf64(amd64())
	programs := append([]Program{{
		Path: Path, Size: int64(len(resident)),
		Read: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(resident)), nil },
	}}, others...)
	w := tar.NewWriter(out)
	for _, p := range programs {
		if err := p.write(w); err != nil {
			return fmt.Errorf("make sandbox image: %s: %w", p.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("make sandbox image: %w", err)
	}
	return nil
}

func (p Program) write(w *tar.Writer) error {
	content, err := p.Read()
	if err != nil {
		return err
	}
	defer content.Close()
	header := &tar.Header{Typeflag: tar.TypeReg, Name: p.Path[1:], Mode: 0o755, Size: p.Size, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, content)
	return err
}

// Ref is the reference of the image for an architecture: capsulet/sandbox:<content hash>.
func Ref(arch string, others ...Program) (string, error) {
	sum := sha256.New()
	if err := Write(sum, arch, others...); err != nil {
		return "", err
	}
	return Repository + ":" + hex.EncodeToString(sum.Sum(nil)[:6]), nil
}
