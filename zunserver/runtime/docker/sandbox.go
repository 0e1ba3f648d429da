package docker

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/sandbox"
)

// sandboxImage is the image of sandboxes here and the programs that it has besides the resident one. A configured image has
// no others.
func (h *Host) sandboxImage(ctx context.Context, withInside bool) (ref string, others []sandbox.Program, err error) {
	if h.cfg.SandboxImage != "" && !withInside {
		return h.cfg.SandboxImage, nil, nil
	}
	arch, err := h.arch(ctx)
	if err != nil {
		return "", nil, err
	}
	if !withInside {
		ref, err = sandbox.Ref(arch)
		return ref, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inside == nil {
		if h.inside, err = sandbox.WithInside(h.cfg.Inside, arch); err != nil {
			return "", nil, err
		}
	}
	return h.inside.Ref, h.inside.Programs, nil
}

// EnsureSandboxImage makes sure that the image of sandboxes is on the host and returns its reference: the configured one is
// pulled, the built-in one imported, if it is not there. Concurrent calls do it once.
func (h *Host) EnsureSandboxImage(ctx context.Context, withInside bool) (string, error) {
	ref, others, err := h.sandboxImage(ctx, withInside)
	if err != nil {
		return "", fmt.Errorf("ensure the sandbox image: %w", err)
	}
	select {
	case h.importing <- struct{}{}:
		defer func() { <-h.importing }()
	case <-ctx.Done():
		return "", fmt.Errorf("ensure the sandbox image: %w", ctx.Err())
	}
	if _, err := h.Image(ctx, ref); !errdefs.IsNotFound(err) {
		return ref, err
	}
	if h.cfg.SandboxImage != "" && !withInside {
		_, err := h.Pull(ctx, ref, nil, nil)
		return ref, err
	}
	arch, err := h.arch(ctx)
	if err != nil {
		return "", err
	}
	rootfs, w := io.Pipe()
	go func() { _ = w.CloseWithError(sandbox.Write(w, arch, others...)) }()
	_, err = h.Import(ctx, ref, rootfs, runtime.ImageConfig{Entrypoint: []string{sandbox.Path}, Platform: "linux/" + arch})
	_ = rootfs.Close() // who writes must end all the same
	return ref, err
}
