package reach

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	// maxArchive is how large an archive may be: it is a string in JSON.
	maxArchive = 64 << 20
	// maxArchiveBody has room for one in base64.
	maxArchiveBody = maxArchive/3*4 + 1<<10
)

type pathQuery struct {
	Path string `query:"path" description:"The path in the container."`
}

// archive is the answer of get_archive; data is a tar, in base64 from 1.25 on.
type archive struct {
	Data string           `json:"data"`
	Stat capsule.PathStat `json:"stat"`
}

type archiveBody struct {
	Data string `json:"data"`
}

// pathOf reads the path of an archive.
func pathOf(p target.Params) (string, error) {
	at, err := p.Needed("path")
	if err != nil {
		return "", err
	}
	if len(at) > 4096 || strings.Contains(at, "\x00") {
		return "", rest.InvalidField("path", "It is longer than 4096 bytes or has a zero byte")
	}
	if !path.IsAbs(at) {
		at = "/" + at // as the engine takes it
	}
	return at, nil
}

// getArchive is GET /v1/containers/{id}/get_archive.
func (r *Resource) getArchive(c *rest.Call) error {
	p, err := target.ParamsOf(c, "path")
	if err != nil {
		return err
	}
	at, err := pathOf(p)
	if err != nil {
		return err
	}
	t, err := r.Look(c, "get_archive")
	if err != nil {
		return err
	}
	tar, stat, err := r.Control.CopyFrom(c.R.Context(), t.Record, t.Name, at)
	if err != nil {
		return noPath(err, at)
	}
	defer tar.Close()
	data, err := io.ReadAll(io.LimitReader(tar, maxArchive+1))
	switch {
	case err != nil:
		return fmt.Errorf("copy %.255s from container %s: %w", at, t.Spec().UUID, err)
	case len(data) > maxArchive:
		return rest.Refuse(http.StatusRequestEntityTooLarge, "request-too-large", "The archive of %.255s is larger than %d bytes", at, maxArchive)
	case target.Since(c, 25):
		return c.JSON(http.StatusOK, archive{base64.StdEncoding.EncodeToString(data), stat})
	case !utf8.Valid(data):
		return rest.InvalidValue("%.255s is no text: microversion 1.25 has it in base64", at)
	}
	return c.JSON(http.StatusOK, archive{string(data), stat})
}

// putArchive is POST /v1/containers/{id}/put_archive.
func (r *Resource) putArchive(c *rest.Call) error {
	p, err := target.ParamsOf(c, "path", "data")
	if err != nil {
		return err
	}
	at, err := pathOf(p)
	if err != nil {
		return err
	}
	text, ok := p["data"].(string)
	if !ok {
		return rest.Refuse(http.StatusBadRequest, "schema-validation-error", "'data' is a required property")
	}
	data := []byte(text)
	if target.Since(c, 25) {
		if data, err = base64.StdEncoding.DecodeString(text); err != nil { // which skips line ends
			return rest.InvalidField("data", "It is not base64")
		}
	}
	t, err := r.Look(c, "put_archive")
	if err != nil {
		return err
	}
	if err := r.Control.CopyTo(c.R.Context(), t.Record, t.Name, at, bytes.NewReader(data)); err != nil {
		return noPath(err, at)
	}
	c.W.WriteHeader(http.StatusOK)
	return nil
}

// noPath: a path that is not there is the caller's mistake, and not a container that is not found.
func noPath(err error, at string) error {
	if errdefs.IsNotFound(err) {
		return rest.Refuse(http.StatusBadRequest, "invalid", "There is no %.255s in the container", at)
	}
	return fmt.Errorf("copy %.255s: %w", at, err)
}
