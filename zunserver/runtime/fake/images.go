package fake

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Image is an image to be added to a host or to its registry.
type Image struct {
	// Ref is its reference, "nginx" and "docker.io/library/nginx:latest" being the same.
	Ref string
	// Behaviour is what its containers do, unless Program chooses.
	Behaviour Behaviour
	Program   Program
	// Info is what Image answers; ID and Tags are filled in when empty.
	Info runtime.Image

	// Remote images are in the registry only and have to be pulled first.
	Remote    bool
	PullDelay time.Duration
	// Username and Password, when set, are what the registry asks for.
	Username, Password string
}

type image struct {
	Image
	info  runtime.Image
	files map[string]file // of a committed one
}

// AddImage puts a local image on the host whose containers behave like b. It panics if ref is no reference.
func (h *Host) AddImage(ref string, b Behaviour) { h.Add(Image{Ref: ref, Behaviour: b}) }

// Add puts an image on the host or into its registry, in place of what was there. It panics if Ref is no reference.
func (h *Host) Add(img Image) {
	name, err := normalise(img.Ref)
	if err != nil {
		panic(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	i := &image{Image: img, info: img.Info}
	i.info.ID = cmp.Or(i.info.ID, "sha256:"+h.newID("image"))
	if len(i.info.Tags) == 0 {
		i.info.Tags = []string{img.Ref}
	}
	i.info.SizeBytes = cmp.Or(i.info.SizeBytes, 1<<20)
	i.info.CreatedAt = h.now()
	if img.Remote {
		h.registry[name] = i
		return
	}
	h.local[name] = i
}

func normalise(ref string) (string, error) {
	n, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("image reference %q: %w: %w", ref, err, errdefs.ErrInvalidArgument)
	}
	return reference.TagNameOnly(n).String(), nil
}

// image finds a local image by reference or ID; the caller holds mu.
func (e *engine) image(ref string) (*image, error) {
	for _, i := range e.local {
		if i.info.ID == ref {
			return i, nil
		}
	}
	name, err := normalise(ref)
	if err != nil {
		return nil, err
	}
	i, ok := e.local[name]
	if !ok {
		return nil, fmt.Errorf("image %s: %w", ref, errdefs.ErrNotFound)
	}
	return i, nil
}

// behaviour is what a container of the configuration does; the caller holds mu.
func (e *engine) behaviour(cfg runtime.ContainerConfig) Behaviour {
	i, err := e.image(cfg.Image)
	if err != nil {
		// The built-in sandbox, or an image removed since.
		return Behaviour{}
	}
	if i.Program == nil {
		return i.Behaviour
	}
	if len(cfg.Command) == 0 {
		cfg.Command = i.info.Entrypoint
		if len(cfg.Args) == 0 {
			cfg.Args = i.info.Cmd
		}
	}
	return i.Program(cfg)
}

// Image returns a local image.
func (h *Host) Image(ctx context.Context, ref string) (runtime.Image, error) {
	var out runtime.Image
	err := h.call(ctx, "image", ref, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		i, err := h.image(ref)
		if err != nil {
			return err
		}
		out = i.info
		return nil
	})
	return out, err
}

// Pull copies an image from the registry of this host.
func (h *Host) Pull(ctx context.Context, ref string, auth *runtime.RegistryAuth, progress func(string)) (runtime.Image, error) {
	var out runtime.Image
	err := h.call(ctx, "pull", ref, func() error {
		name, err := normalise(ref)
		if err != nil {
			return err
		}
		h.mu.Lock()
		i, ok := h.registry[name]
		link := h.link
		h.mu.Unlock()
		if !ok {
			return fmt.Errorf("pull %s: the registry has no such image: %w", ref, errdefs.ErrNotFound)
		}
		if i.Username != "" && (auth == nil || auth.Username != i.Username || auth.Password != i.Password) {
			return fmt.Errorf("pull %s: access denied: %w", ref, errdefs.ErrPermissionDenied)
		}
		if progress != nil {
			progress("Pulling " + ref)
		}
		if err := sleep(ctx, h.clock, i.PullDelay, link); err != nil {
			return fmt.Errorf("pull %s: %w", ref, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.local[name] = i
		out = i.info
		return nil
	})
	return out, err
}

// Import makes an image out of a file system, whose content is read and forgotten: its containers run Testprog.
func (h *Host) Import(ctx context.Context, ref string, rootfs io.Reader, cfg runtime.ImageConfig) (runtime.Image, error) {
	var out runtime.Image
	err := h.call(ctx, "import", ref, func() error {
		if _, err := normalise(ref); err != nil {
			return err
		}
		size, err := io.Copy(io.Discard, rootfs)
		if err != nil {
			return fmt.Errorf("import %s: %w", ref, err)
		}
		h.Add(Image{Ref: ref, Program: Testprog, Info: runtime.Image{
			SizeBytes: size, User: cfg.User, WorkDir: cfg.WorkDir,
			Env: cfg.Env, Entrypoint: cfg.Entrypoint, Cmd: cfg.Cmd,
		}})
		h.mu.Lock()
		defer h.mu.Unlock()
		i, err := h.image(ref)
		if err != nil {
			return err
		}
		out = i.info
		return nil
	})
	return out, err
}

// ListImages returns the local images, sorted by their first tag.
func (h *Host) ListImages(ctx context.Context) ([]runtime.Image, error) {
	var out []runtime.Image
	err := h.call(ctx, "listimages", "", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i := range maps.Values(h.local) {
			out = append(out, i.info)
		}
		slices.SortFunc(out, func(a, b runtime.Image) int { return strings.Compare(first(a.Tags), first(b.Tags)) })
		return nil
	})
	return out, err
}

// RemoveImage deletes a local reference.
func (h *Host) RemoveImage(ctx context.Context, ref string) error {
	return h.call(ctx, "removeimage", ref, func() error {
		name, err := normalise(ref)
		if err != nil {
			return err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.local, name)
		return nil
	})
}
