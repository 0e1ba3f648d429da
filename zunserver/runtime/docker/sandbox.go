package docker

import (
	"bytes"
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/sandbox"
)

// sandboxRef is the image of sandboxes here.
func (h *Host) sandboxRef(ctx context.Context) (string, error) {
	if h.cfg.SandboxImage != "" {
		return h.cfg.SandboxImage, nil
	}
	arch, err := h.arch(ctx)
	if err != nil {
		return "", err
	}
	return sandbox.Ref(arch)
}

// EnsureSandboxImage makes sure that the image of sandboxes is on the host and returns its reference: the configured one is
// pulled, the built-in one imported, if it is not there. Concurrent calls do it once.
func (h *Host) EnsureSandboxImage(ctx context.Context) (string, error) {
	ref, err := h.sandboxRef(ctx)
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
	if h.cfg.SandboxImage != "" {
		_, err := h.Pull(ctx, ref, nil, nil)
		return ref, err
	}
	arch, err := h.arch(ctx)
	if err != nil {
		return "", err
	}
	rootfs, err := sandbox.Rootfs(arch)
	if err != nil {
		return "", err
	}
	_, err = h.Import(ctx, ref, bytes.NewReader(rootfs), runtime.ImageConfig{
		Entrypoint: []string{sandbox.Path}, Platform: "linux/" + arch,
	})
	return ref, err
}
