package runtimetest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// ImageRef is the reference of the test image. Its ENTRYPOINT is Program and its CMD sleep.
const ImageRef = "capsulet/testprog:dev"

// Program is where testprog lies in the image; "testprog" without arguments explains itself.
const Program = "/testprog"

// built is the root file system of the test image, made once for each test binary.
var built = sync.OnceValues(rootfs)

// BuildImage compiles testprog with the go command, once for each test binary, and imports it into the host as ImageRef. The
// same source gives the same image ID, so doing it again changes nothing.
func BuildImage(ctx context.Context, host runtime.Images) (ref string, err error) {
	content, err := built()
	if err != nil {
		return "", fmt.Errorf("build the test image: %w", err)
	}
	_, err = host.Import(ctx, ImageRef, bytes.NewReader(content), runtime.ImageConfig{
		Entrypoint: []string{Program}, Cmd: []string{"sleep"},
		Env: []string{"PATH=/", "QUOTE=a \"b\" $c \\d"},
	})
	if err != nil {
		return "", fmt.Errorf("build the test image: %w", err)
	}
	return ImageRef, nil
}

// BuildInside compiles the program of package inside into dir and returns its path.
func BuildInside(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "inside")
	return path, build(ctx, path, "insideprog")
}

// build compiles a program of this tree, static and always the same.
func build(ctx context.Context, path, program string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", path,
		"github.com/capsulet/capsulet/zunserver/runtime/runtimetest/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// rootfs is testprog, a user and two directories to write to.
func rootfs() (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "capsulet-testprog-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "testprog")
	if err := build(context.Background(), path, "testprog"); err != nil { //nolint:forbidigo // no caller's end is the build's
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const users = "root:x:0:0:root:/:/testprog\napp:x:1000:1000:app:/:/testprog\n"
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		header  tar.Header
		content []byte
	}{
		{tar.Header{Typeflag: tar.TypeReg, Name: "testprog", Mode: 0o755}, program},
		{tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, nil},
		{tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644}, []byte(users)},
		{tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, nil},
		{tar.Header{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o777}, nil},
	} {
		f.header.Size = int64(len(f.content))
		if err := w.WriteHeader(&f.header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
