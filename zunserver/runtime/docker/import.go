package docker

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/client"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// epoch is when every imported image was made: the same content has the same ID.
const epoch = "1970-01-01T00:00:00Z"

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
	l, err := spool(rootfs)
	if err != nil {
		return runtime.Image{}, fmt.Errorf("import image %s: %w", ref, err)
	}
	defer l.discard()

	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeArchive(w, reference.FamiliarString(reference.TagNameOnly(named)), l, cfg)
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

// layer is a tar stream in a temporary file.
type layer struct {
	file   *os.File
	size   int64
	digest string // hex
}

func (l *layer) discard() {
	_ = l.file.Close()
	_ = os.Remove(l.file.Name())
}

// spool copies a tar stream into a temporary file, unpacked, and takes its hash.
func spool(rootfs io.Reader) (_ *layer, err error) {
	buffered := bufio.NewReader(rootfs)
	rootfs = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if rootfs, err = gzip.NewReader(buffered); err != nil {
			return nil, fmt.Errorf("unpack: %w: %w", err, errdefs.ErrInvalidArgument)
		}
	}
	file, err := os.CreateTemp("", "capsulet-import-")
	if err != nil {
		return nil, fmt.Errorf("keep the layer: %w", err)
	}
	l := &layer{file: file}
	defer func() {
		if err != nil {
			l.discard()
		}
	}()
	sum := sha256.New()
	if l.size, err = io.Copy(io.MultiWriter(file, sum), rootfs); err != nil {
		return nil, fmt.Errorf("keep the layer: %w", err)
	}
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("keep the layer: %w", err)
	}
	l.digest = hex.EncodeToString(sum.Sum(nil))
	return l, nil
}

// imageDocument is the configuration of an image (github.com/moby/moby image/spec/v1.2.md).
type imageDocument struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Created      string `json:"created"`
	Config       struct {
		User       string            `json:"User,omitempty"`
		Env        []string          `json:"Env,omitempty"`
		Entrypoint []string          `json:"Entrypoint,omitempty"`
		Cmd        []string          `json:"Cmd,omitempty"`
		WorkingDir string            `json:"WorkingDir,omitempty"`
		Labels     map[string]string `json:"Labels,omitempty"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []history `json:"history"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

func document(l *layer, cfg runtime.ImageConfig) ([]byte, error) {
	var d imageDocument
	var rest string
	d.OS, rest, _ = strings.Cut(cfg.Platform, "/")
	d.Architecture, _, _ = strings.Cut(rest, "/")
	d.Architecture = cmp.Or(d.Architecture, "amd64")
	d.Created = epoch
	c := &d.Config
	c.User, c.Env, c.Entrypoint, c.Cmd, c.WorkingDir, c.Labels = cfg.User, cfg.Env, cfg.Entrypoint, cfg.Cmd, cfg.WorkDir, cfg.Labels
	d.RootFS.Type, d.RootFS.DiffIDs = "layers", []string{"sha256:" + l.digest}
	d.History = []history{{Created: epoch, CreatedBy: "capsulet import"}}
	return json.Marshal(d)
}

// writeArchive writes what the engine's load call reads: the configuration, the layer and a manifest.
func writeArchive(out io.Writer, tag string, l *layer, cfg runtime.ImageConfig) error {
	config, err := document(l, cfg)
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	sum := sha256.Sum256(config)
	configName, layerName := hex.EncodeToString(sum[:])+".json", l.digest+"/layer.tar"
	manifest, err := json.Marshal([]map[string]any{
		{"Config": configName, "RepoTags": []string{tag}, "Layers": []string{layerName}},
	})
	if err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	w := tar.NewWriter(out)
	for _, f := range []struct {
		name    string
		size    int64
		content io.Reader
	}{
		{configName, int64(len(config)), bytes.NewReader(config)},
		{layerName, l.size, l.file},
		{"manifest.json", int64(len(manifest)), bytes.NewReader(manifest)},
	} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: f.size}); err != nil {
			return err
		}
		if _, err := io.Copy(w, f.content); err != nil {
			return err
		}
	}
	return w.Close()
}
