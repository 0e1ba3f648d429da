// Package imports makes the archive that an engine loads as an image of one layer, out of a tar stream of its root file
// system. The same content makes the same archive, and so an image of the same ID, everywhere.
package imports

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// epoch is when every imported image was made: the same content has the same ID.
const epoch = "1970-01-01T00:00:00Z"

// Layer is a tar stream in a temporary file.
type Layer struct {
	file   *os.File
	size   int64
	digest string // hex
}

// Discard removes the file.
func (l *Layer) Discard() {
	_ = l.file.Close()
	_ = os.Remove(l.file.Name())
}

// Spool copies a tar stream, plain or gzipped, into a temporary file, unpacked, and takes its hash. InvalidArgument: it
// cannot be unpacked.
func Spool(rootfs io.Reader) (_ *Layer, err error) {
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
	l := &Layer{file: file}
	defer func() {
		if err != nil {
			l.Discard()
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

func document(l *Layer, cfg runtime.ImageConfig) ([]byte, error) {
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

// Write writes what the engine's load call reads: the configuration, the layer and a manifest. It reads the layer, so it
// works once.
func (l *Layer) Write(out io.Writer, tag string, cfg runtime.ImageConfig) error {
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
