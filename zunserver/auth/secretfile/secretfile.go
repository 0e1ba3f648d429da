// Package secretfile keeps a generated secret in a file of its own: the seal key of the store, the administrator's token.
//
// Decisions (2026-11-20): a file is refused when everybody on the machine may read it, and not when its group may, because
// Kubernetes mounts Secrets for a non-root user as 0440. A new file appears with its whole content or not at all (written
// beside, linked into place), so that a crash leaves no truncated secret and two processes that start together agree.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"
)

// maxSize is far more than a secret, or a list of them, needs and keeps a wrong path (a disk image) out of memory.
const maxSize = 1 << 20

// LoadOrCreate returns the content of the file at path without white space around it. When there is no file, it asks
// generate for the content and writes it with mode 0600, the directory with 0700. Errors never contain the content; a
// file that others may read, an empty one and one that is no regular file are errors of the class FailedPrecondition.
func LoadOrCreate(path string, generate func() (string, error)) (string, error) {
	secret, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if secret, err = generate(); err != nil {
		return "", fmt.Errorf("generate the secret for %s: %w", path, err)
	}
	if err := create(path, secret); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("write the generated secret to %s: %w", path, err)
	}
	// Somebody else may have won; the file is the truth.
	return Load(path)
}

// Load returns the content of the file at path without white space around it; fs.ErrNotExist when there is none.
func Load(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open secret file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("look at secret file: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("secret file %s is not a regular file: %w", path, errdefs.ErrFailedPrecondition)
	case info.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("secret file %s is open to everybody (mode %04o); run: chmod 600 %s: %w",
			path, info.Mode().Perm(), path, errdefs.ErrFailedPrecondition)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return "", fmt.Errorf("read secret file: %w", err)
	}
	if len(b) > maxSize {
		return "", fmt.Errorf("secret file %s is larger than %d bytes: %w", path, maxSize, errdefs.ErrFailedPrecondition)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("secret file %s is empty: %w", path, errdefs.ErrFailedPrecondition)
	}
	return secret, nil
}

// create makes the file with its whole content; fs.ErrExist when there is one already.
func create(path, secret string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".secret-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.WriteString(f, secret+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
