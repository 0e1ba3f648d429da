package docker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/client"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/imports"
)

// Import makes an image of one layer. rootfs is a tar stream, plain or gzipped; it is kept in a temporary file while its
// hash is taken.
func (h *Host) Import(ctx context.Context, ref string, rootfs io.Reader, cfg runtime.ImageConfig) (runtime.Image, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return runtime.Image{}, fmt.Errorf("import image %q: %w: %w", ref, err, errdefs.ErrInvalidArgument)
	}
	if cfg.Platform == "" {
		arch, err := h.arch(ctx)
		if err != nil {
			return runtime.Image{}, fmt.Errorf("import image %s: %w", ref, err)
		}
		cfg.Platform = "linux/" + arch
	}
	api, err := h.api(ctx)
	if err != nil {
		return runtime.Image{}, err
	}
	l, err := imports.Spool(rootfs)
	if err != nil {
		return runtime.Image{}, fmt.Errorf("import image %s: %w", ref, err)
	}
	defer l.Discard()

	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := l.Write(w, reference.FamiliarString(reference.TagNameOnly(named)), cfg)
		_ = w.CloseWithError(err)
		written <- err
	}()
	answer, err := api.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	// The engine may have answered before reading all; the writer must end all the same.
	_ = r.Close()
	if werr := <-written; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		err = errors.Join(werr, err)
	}
	if err != nil {
		return runtime.Image{}, fail(err, "import image %s", ref)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := readProgress(answer.Body, nil); err != nil {
		return runtime.Image{}, fail(err, "import image %s", ref)
	}
	return h.Image(ctx, ref)
}
