package stage

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	hashLabel  = "io.capsulet.stage.hash"
	ownerLabel = "io.capsulet.stage.owner"
)

// Root is the directory of the repository that the working directory is in.
func Root() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module github.com/capsulet/capsulet\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside capsulet's repository", wd)
		}
	}
}

// Build builds the static program pkg (./cmd/capsulet) of the repository at root and puts it at out, whole or not at
// all. It says whether the program there is another one than before; a program that is the same stays untouched.
func Build(ctx context.Context, root, pkg, out string) (changed bool, err error) {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return false, err
	}
	tmp := out + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags", "-s -w", "-o", tmp, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return false, fmt.Errorf("go build %s: %w\n%s", pkg, err, msg)
	}
	fresh, err := fileHash(tmp)
	if err != nil {
		return false, err
	}
	if old, err := fileHash(out); err == nil && old == fresh {
		return false, os.Remove(tmp)
	}
	return true, os.Rename(tmp, out)
}

func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Image builds the static program pkg and imports it as the image ref, whose ENTRYPOINT it is. Owner is whose it is,
// for [RemoveImages]. The image stays as it is when it holds this very program already.
func Image(ctx context.Context, root, pkg, ref, owner string) error {
	dir, err := os.MkdirTemp("", "capsulet-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Base(pkg)
	program := filepath.Join(dir, name)
	if _, err := Build(ctx, root, pkg, program); err != nil {
		return err
	}
	hash, err := fileHash(program)
	if err != nil {
		return err
	}
	old, _ := Docker(ctx, "image", "inspect", "-f", `{{.Id}} {{index .Config.Labels "`+hashLabel+`"}}`, ref)
	oldID, oldHash, _ := strings.Cut(old, " ")
	if oldHash == hash {
		return nil
	}
	archive := filepath.Join(dir, "root.tar")
	if err := writeTar(archive, program, name); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	if _, err := Docker(ctx, "import", "-c", fmt.Sprintf("ENTRYPOINT [%q]", "/"+name), "-c", "LABEL "+hashLabel+"="+hash,
		"-c", "LABEL "+ownerLabel+"="+owner, archive, ref); err != nil {
		return err
	}
	if oldID != "" {
		_, _ = Docker(ctx, "image", "rm", oldID) // refused while a container uses it; then it goes with RemoveImages
	}
	return nil
}

func writeTar(path, program, name string) error {
	in, err := os.Open(program)
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(out)
	// Programs expect /tmp; the engine makes the rest.
	if err := w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: fi.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return err
	}
	return w.Close()
}

// RemoveImages removes every image that [Image] made for owner.
func RemoveImages(ctx context.Context, owner string) error {
	return removeEach(ctx, []string{"image", "ls", "-aq", "--no-trunc", "--filter", "label=" + ownerLabel + "=" + owner},
		"image", "rm", "-f")
}
