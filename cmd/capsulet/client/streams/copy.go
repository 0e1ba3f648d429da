package streams

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
)

// Files are those of a container, as tar files.
type Files interface {
	// Get is what lies at a path, whose last part is what the entries begin with. NotFound. The caller closes it.
	Get(ctx context.Context, path string) (io.ReadCloser, error)
	// Put unpacks into a directory that is there.
	Put(ctx context.Context, dir string, tar io.Reader) error
}

// Remote cuts NAME:PATH. A path with a slash before the colon is a local one, as is one without a colon.
func Remote(arg string) (name, path string, ok bool) {
	name, path, ok = strings.Cut(arg, ":")
	if !ok || name == "" || name[0] == '.' || strings.Contains(name, "/") {
		return "", arg, false
	}
	return name, path, true
}

// CopyFrom copies what lies at a path of a container to a local path, as cp -r does: into it if it is a directory, else under its
// name. "-" is the output, as a tar file.
func CopyFrom(ctx context.Context, from Files, source, local string, out io.Writer) error {
	content := strings.HasSuffix(source, "/.")
	archive, err := from.Get(ctx, path.Clean("/"+source))
	if err != nil {
		return err
	}
	defer archive.Close()
	if local == "-" {
		_, err := io.Copy(out, archive)
		return err
	}
	info, err := os.Stat(local)
	switch {
	case err == nil && info.IsDir() && content:
		return extract(archive, local, "")
	case err == nil && info.IsDir():
		return extract(archive, local, path.Base(path.Clean("/"+source)))
	case err == nil || errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(local, "/"):
		return extract(archive, filepath.Dir(local), filepath.Base(local))
	default:
		return err
	}
}

// extract unpacks into a directory and calls the top of the archive name; empty leaves the top out. Nothing gets out of the directory,
// whatever the entries say.
func extract(archive io.Reader, dir, name string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for entries := tar.NewReader(archive); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w: %w", err, errdefs.ErrUnavailable)
		}
		_, below, _ := strings.Cut(strings.TrimPrefix(path.Clean("/"+h.Name), "/"), "/")
		target := path.Join(name, below)
		if target == "" {
			continue // the directory itself, which is there
		}
		if err := place(root, entries, h, target, name); err != nil {
			return fmt.Errorf("copy %s: %w", h.Name, err)
		}
	}
}

// place makes one entry. Devices and the like have no place outside of a container.
func place(root *os.Root, content io.Reader, h *tar.Header, target, name string) error {
	mode := h.FileInfo().Mode().Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(target, mode|0o700); err != nil { // what follows has to get in
			return err
		}
	case tar.TypeReg:
		f, err := root.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		_ = root.Chtimes(target, time.Now(), h.ModTime)
	case tar.TypeSymlink:
		_ = root.Remove(target)
		return root.Symlink(h.Linkname, target)
	case tar.TypeLink:
		_, below, _ := strings.Cut(strings.TrimPrefix(path.Clean("/"+h.Linkname), "/"), "/")
		_ = root.Remove(target)
		return root.Link(path.Join(name, below), target)
	default:
		return fmt.Errorf("it is neither a file, a directory nor a link")
	}
	return nil
}

// CopyTo copies a local file or directory to a path of a container, as cp -r does. "-" is the input, a tar file that is unpacked
// in the directory at the path.
func CopyTo(ctx context.Context, to Files, local, destination string, in io.Reader) error {
	clean := path.Clean("/" + destination)
	if local == "-" {
		return to.Put(ctx, clean, in)
	}
	if _, err := os.Lstat(local); err != nil {
		return err
	}
	into, err := isDir(ctx, to, clean)
	if err != nil {
		return err
	}
	name := filepath.Base(filepath.Clean(local))
	switch content := strings.HasSuffix(local, "/.") || name == "."; {
	case into && content:
		name = "."
	case into:
	case strings.HasSuffix(destination, "/"):
		return fmt.Errorf("%s is no directory: %w", destination, errdefs.ErrNotFound)
	default:
		clean, name = path.Dir(clean), path.Base(clean)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(pack(w, local, name)) }()
	err = to.Put(ctx, clean, r)
	_ = r.CloseWithError(io.ErrClosedPipe) // lets the packer go
	return err
}

// isDir says whether a directory is at the path of a container.
func isDir(ctx context.Context, in Files, at string) (bool, error) {
	if at == "/" {
		return true, nil
	}
	ctx, cancel := context.WithCancel(ctx) // ends the archive after its head
	defer cancel()
	archive, err := in.Get(ctx, at)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer archive.Close()
	h, err := tar.NewReader(archive).Next()
	if err != nil {
		return false, fmt.Errorf("read the archive: %w: %w", err, errdefs.ErrUnavailable)
	}
	return h.Typeflag == tar.TypeDir, nil
}

// pack writes a local file or directory as a tar file in which it is called name. Links stay links; owners are those of the container.
func pack(w io.Writer, local, name string) error {
	entries := tar.NewWriter(w)
	err := filepath.WalkDir(local, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(at); err != nil {
				return err
			}
		}
		if t := info.Mode().Type(); t != 0 && t != fs.ModeDir && t != fs.ModeSymlink {
			return nil // sockets and the like are not copied
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(local, at)
		if err != nil {
			return err
		}
		h.Name = path.Join(name, filepath.ToSlash(below))
		h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
		if d.IsDir() {
			h.Name += "/"
		}
		if err := entries.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		f, err := os.Open(at)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(entries, f)
		return err
	})
	if err == nil {
		err = entries.Close()
	}
	return err
}
