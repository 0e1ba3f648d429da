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

	"github.com/containerd/errdefs"
)

// Repository is the name of the image; its tag is the hash of its content.
const Repository = "capsulet/sandbox"

// Path is where the program lies in the image; it is the ENTRYPOINT.
const Path = "/sandbox"

// Rootfs returns the root file system of the image as a tar stream, always the same bytes. The architecture is in Go's
// words. NotImplemented: there is no program for it.
func Rootfs(arch string) ([]byte, error) {
	if arch != "amd64" {
		return nil, fmt.Errorf("there is no built-in sandbox image for %s: set sandboxImage: %w", arch, errdefs.ErrNotImplemented)
	}
	program := elf64(amd64())
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: Path[1:], Mode: 0o755, Size: int64(len(program)), Format: tar.FormatUSTAR,
	}
	if err := w.WriteHeader(header); err != nil {
		return nil, fmt.Errorf("make sandbox image: %w", err)
	}
	if _, err := w.Write(program); err != nil {
		return nil, fmt.Errorf("make sandbox image: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("make sandbox image: %w", err)
	}
	return out.Bytes(), nil
}

// Ref is the reference of the image for an architecture: capsulet/sandbox:<content hash>.
func Ref(arch string) (string, error) {
	rootfs, err := Rootfs(arch)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(rootfs)
	return Repository + ":" + hex.EncodeToString(sum[:6]), nil
}
