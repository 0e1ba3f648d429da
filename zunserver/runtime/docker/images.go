package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/classes"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/convert"
)

// Image returns a local image.
func (h *Host) Image(ctx context.Context, ref string) (runtime.Image, error) {
	api, err := h.api(ctx)
	if err != nil {
		return runtime.Image{}, err
	}
	r, err := api.ImageInspect(ctx, ref)
	if err != nil {
		return runtime.Image{}, fail(err, "inspect image %s", ref)
	}
	return convert.Image(r), nil
}

// ListImages returns all images with what the engine's list says of them: ID, tags, digests, size and time.
func (h *Host) ListImages(ctx context.Context) ([]runtime.Image, error) {
	api, err := h.api(ctx)
	if err != nil {
		return nil, err
	}
	list, err := api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, fail(err, "list images")
	}
	out := make([]runtime.Image, 0, len(list))
	for _, i := range list {
		out = append(out, runtime.Image{
			ID: i.ID, Tags: i.RepoTags, Digests: i.RepoDigests, SizeBytes: i.Size, CreatedAt: time.Unix(i.Created, 0),
		})
	}
	return out, nil
}

// RemoveImage deletes a reference, and the image with its last one. FailedPrecondition: a container uses it.
func (h *Host) RemoveImage(ctx context.Context, ref string) error {
	api, err := h.api(ctx)
	if err != nil {
		return err
	}
	if _, err := api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true}); err != nil && !errdefs.IsNotFound(err) {
		return fail(err, "remove image %s", ref)
	}
	return nil
}

// Pull fetches an image from its registry.
func (h *Host) Pull(ctx context.Context, ref string, auth *runtime.RegistryAuth, progress func(string)) (runtime.Image, error) {
	if _, err := reference.ParseNormalizedNamed(ref); err != nil {
		return runtime.Image{}, fmt.Errorf("pull image %q: %w: %w", ref, err, errdefs.ErrInvalidArgument)
	}
	api, err := h.api(ctx)
	if err != nil {
		return runtime.Image{}, err
	}
	var opts image.PullOptions
	if auth != nil {
		opts.RegistryAuth, err = registry.EncodeAuthConfig(registry.AuthConfig{
			Username: auth.Username, Password: auth.Password,
			ServerAddress: auth.ServerAddress, IdentityToken: auth.IdentityToken,
		})
		if err != nil {
			return runtime.Image{}, fmt.Errorf("pull image %s: encode the credentials: %w", ref, errdefs.ErrInvalidArgument)
		}
	}
	stream, err := api.ImagePull(ctx, ref, opts)
	if err != nil {
		return runtime.Image{}, fmt.Errorf("pull image %s: %w", ref, classes.OfPull(err))
	}
	defer func() { _ = stream.Close() }()
	if err := readProgress(stream, progress); err != nil {
		return runtime.Image{}, fmt.Errorf("pull image %s: %w", ref, classes.OfPull(err))
	}
	return h.Image(ctx, ref)
}

// message is one line of the engine's progress stream.
type message struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

// readProgress reads a progress stream to its end and returns the error in it, if there is one. Each status of a layer
// is told once, without the moving bars.
func readProgress(r io.Reader, progress func(string)) error {
	told := map[message]bool{}
	for d := json.NewDecoder(r); ; {
		var m message
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		if progress == nil || m.Status == "" || told[m] {
			continue
		}
		told[m] = true
		if m.ID != "" {
			progress(m.ID + ": " + m.Status)
		} else {
			progress(m.Status)
		}
	}
}
