package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/capsulet/capsulet/test/controlplane"
	"github.com/capsulet/capsulet/test/dev/stage"
)

// label is on the images that this program made. Containers inherit it, which does no harm: only images are looked for.
const label = "io.capsulet.conformance"

const e2eImages = "registry.k8s.io/e2e-test-images/"

// image is one that the suite asks for by name.
type image struct {
	refs   []string
	config []string // as of `docker import -c`
	root   func(ctx context.Context, r *rootfs, p parts) error
	// check is `docker run <args>` and what it prints, which no other image would.
	check  []string
	answer string
}

// parts are programs that were built for the images.
type parts struct{ agnhost, standin string }

// The names are those of test/utils/image/manifest.go of controlplane.Version.
var images = []image{
	{
		refs: []string{"registry.k8s.io/pause:3.10.2"}, config: []string{`ENTRYPOINT ["/pause"]`, "USER 65535:65535"},
		root:  func(_ context.Context, r *rootfs, p parts) error { return r.file("pause", p.standin, 0o755) },
		check: []string{"@", "-v"}, answer: "pause, a stand-in",
	},
	{
		refs:   []string{e2eImages + "agnhost:" + controlplane.AgnhostVersion, e2eImages + "agnhost:2.55"},
		config: []string{`ENTRYPOINT ["/agnhost"]`, `CMD ["pause"]`, pathVariable}, root: agnhostRoot,
		check: []string{"@", "--version"}, answer: "app version " + controlplane.AgnhostVersion,
	},
	{
		refs: []string{e2eImages + "busybox:1.37.0-1"}, config: []string{`CMD ["sh"]`, pathVariable},
		root:  busyboxRoot,
		check: []string{"-e", "data-1=kept", "@", "sh", "-c", "env | grep data-1; wget 2>&1 | head -c3"}, answer: "data-1=kept\nGet",
	},
	{
		refs:   []string{e2eImages + "nginx:1.15-4", e2eImages + "nginx:1.27-0"},
		config: []string{`CMD ["nginx"]`, pathVariable}, root: nginxRoot,
		check: []string{"@", "sh", "-c", "nginx & for i in 1 2 3 4 5 6 7 8 9; do sleep 0.3; if exec 3<>/dev/tcp/127.0.0.1/80; then " +
			`printf 'GET / HTTP/1.0\r\n\r\n' >&3; tail -n1 <&3; exit; fi; done`}, answer: "<title>Welcome to nginx!</title> (a stand-in)",
	},
	{
		refs: []string{e2eImages + "nonroot:1.5"}, config: []string{`CMD ["sh"]`, "USER 1234", pathVariable},
		root:  func(ctx context.Context, r *rootfs, _ parts) error { return r.shell(ctx) },
		check: []string{"@", "id", "-u"}, answer: "1234",
	},
	{
		refs: []string{e2eImages + "nonewprivs:1.4"}, config: []string{`CMD ["nnp"]`, "USER 1000", pathVariable},
		root:  setuidRoot,
		check: []string{"@"}, answer: "Effective uid: 0",
	},
}

const pathVariable = "ENV PATH=/usr/local/bin:/bin"

func agnhostRoot(ctx context.Context, r *rootfs, p parts) error {
	return errors.Join(
		r.shell(ctx), r.programs(ctx, "curl"), r.certificates(), r.dir("uploads", 0o777, owner{}),
		r.dir("home/user-defined-in-image", 0o755, owner{1000, 1000}),
		r.file("agnhost", p.agnhost, 0o755), r.link("agnhost-2", "agnhost"),
	)
}

// busyboxRoot has the shell of the stand-in, which comes first and so wins.
func busyboxRoot(ctx context.Context, r *rootfs, p parts) error {
	return errors.Join(r.skeleton(), r.file("bin/sh", p.standin, 0o755), r.link("bin/wget", "sh"), r.shell(ctx))
}

func nginxRoot(ctx context.Context, r *rootfs, p parts) error {
	return errors.Join(r.shell(ctx), r.file("bin/nginx", p.standin, 0o755))
}

func setuidRoot(ctx context.Context, r *rootfs, p parts) error {
	return errors.Join(r.shell(ctx), r.file("usr/local/bin/nnp", p.standin, 0o6755))
}

// makeImages puts the images on the engine that are not there.
func makeImages(ctx context.Context, root, dir string, suite controlplane.Programs, note func(string)) error {
	if err := removeImages(ctx); err != nil { // of a run that was killed
		return err
	}
	p := parts{agnhost: suite.Path("agnhost"), standin: filepath.Join(dir, "standin")}
	if _, err := stage.Build(ctx, root, "./test/conformance/standin", p.standin); err != nil {
		return err
	}
	for _, img := range images {
		if err := img.ensure(ctx, p, note); err != nil {
			return fmt.Errorf("make the image %s: %w", img.refs[0], err)
		}
	}
	return os.Remove(p.standin)
}

func (img image) ensure(ctx context.Context, p parts, note func(string)) error {
	made := ""
	for _, ref := range img.refs {
		note(ref)
		if _, err := stage.Docker(ctx, "image", "inspect", "-f", "{{.Id}}", ref); err == nil {
			continue // somebody's own; theirs is the real one
		}
		if made != "" {
			if _, err := stage.Docker(ctx, "tag", made, ref); err != nil {
				return err
			}
			continue
		}
		if err := img.build(ctx, p, ref); err != nil {
			return err
		}
		made = ref
	}
	if made == "" {
		return nil
	}
	return img.verify(ctx, made)
}

func (img image) build(ctx context.Context, p parts, ref string) error {
	args := []string{"import", "-c", "LABEL " + label + "=1"}
	for _, c := range img.config {
		args = append(args, "-c", c)
	}
	cmd := exec.CommandContext(ctx, "docker", append(args, "-", ref)...)
	in, out := io.Pipe()
	cmd.Stdin = in
	written := make(chan error, 1)
	go func() {
		r := newRootfs(out)
		err := img.root(ctx, r, p)
		if err == nil {
			err = r.w.Close()
		}
		out.CloseWithError(err) // nil is the end of the archive
		written <- err
	}()
	msg, err := cmd.CombinedOutput()
	in.Close() // a command that ended early leaves nobody to write for
	if werr := <-written; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		return werr
	}
	if err != nil {
		return fmt.Errorf("docker import: %w: %s", err, msg)
	}
	return nil
}

// verify runs the image once.
func (img image) verify(ctx context.Context, ref string) error {
	args := []string{"run", "--rm", "--network=none"}
	for _, a := range img.check {
		if a == "@" {
			a = ref
		}
		args = append(args, a)
	}
	out, err := stage.Docker(ctx, args...)
	if err == nil && out != img.answer {
		err = fmt.Errorf("docker %s: printed %q, want %q", strings.Join(args, " "), out, img.answer)
	}
	return err
}

// removeImages removes what makeImages made, now or in a run that was killed, by its names: an image that somebody gave
// another name stays under that one.
func removeImages(ctx context.Context) error {
	out, err := stage.Docker(ctx, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "label="+label)
	if err != nil {
		return err
	}
	var errs []error
	for _, ref := range strings.Fields(out) {
		if !slices.ContainsFunc(images, func(img image) bool { return slices.Contains(img.refs, ref) }) {
			continue
		}
		if _, err := stage.Docker(ctx, "image", "rm", "-f", ref); err != nil && !strings.Contains(err.Error(), "No such") {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
