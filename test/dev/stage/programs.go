package stage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs imports an image of programs of this machine, found in PATH, with the libraries that they need. Owner is
// whose it is, for [RemoveImages].
func Programs(ctx context.Context, ref, owner string, names ...string) error {
	dir, err := os.MkdirTemp("", "capsulet-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files := map[string]bool{}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			return fmt.Errorf("make the image %s: %w", ref, err)
		}
		files[path] = true
		out, err := exec.CommandContext(ctx, "ldd", path).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "not a dynamic executable") {
			return fmt.Errorf("make the image %s: ldd %s: %w: %s", ref, path, err, out)
		}
		for _, word := range strings.Fields(string(out)) {
			if filepath.IsAbs(word) {
				files[word] = true
			}
		}
	}
	archive := filepath.Join(dir, "root.tar")
	// The paths stay as they are and links are followed: the image needs no links of directories.
	args := []string{"-C", "/", "-chf", archive, "--mode=a+rx"}
	for path := range files {
		args = append(args, strings.TrimPrefix(path, "/"))
	}
	if out, err := exec.CommandContext(ctx, "tar", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("make the image %s: tar: %w: %s", ref, err, out)
	}
	_, err = Docker(ctx, "import", "-c", "ENV PATH=/usr/bin:/bin", "-c", "LABEL "+ownerLabel+"="+owner, archive, ref)
	return err
}
