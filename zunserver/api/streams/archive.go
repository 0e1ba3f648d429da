package streams

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

const (
	tarType = "application/x-tar"
	// statHeader has what lies at the path, in base64 of JSON, in Docker's words.
	statHeader = "X-Docker-Container-Path-Stat"
	// maxPath is that of the kernel.
	maxPath = 4096
)

type archiveQuery struct {
	containerQuery
	Path string `query:"path" description:"the path in the container"`
}

// files are the routes for files.
func (r *Resource) files() []rest.Route {
	const at = "/v1/capsules/{id}/archive"
	return []rest.Route{
		{Method: "GET", Path: at, Serve: r.getArchive, Stream: true, Doc: rest.Doc{
			Summary: "Copy a file or a directory out of a container of a capsule, as a tar; " + statHeader + " says what it is.",
			Query:   archiveQuery{}, Answers: map[int]any{200: ""}, MediaType: tarType}},
		{Method: "HEAD", Path: at, Serve: r.headArchive, Stream: true, Doc: rest.Doc{
			Summary: "Say what lies at a path in a container of a capsule, in " + statHeader + ".",
			Query:   archiveQuery{}, Answers: map[int]any{200: nil}}},
		{Method: "PUT", Path: at, Serve: r.putArchive, Stream: true, MaxBodyBytes: math.MaxInt64, Doc: rest.Doc{ // what its disk takes
			Summary: "Unpack a tar in a directory of a container of a capsule.",
			Query:   archiveQuery{}, BodyType: tarType, Answers: map[int]any{200: nil}}},
	}
}

// place is the container and the path in it that a request is about. leave is for the end of it.
func (r *Resource) place(c *rest.Call, action auth.Action) (one *capsule.Capsule, container, at string, leave func(), err error) {
	if one, container, err = r.find(c, action); err != nil {
		return nil, "", "", nil, err
	}
	at = c.R.URL.Query().Get("path")
	if at == "" || len(at) > maxPath || strings.Contains(at, "\x00") {
		return nil, "", "", nil, rest.InvalidValue("path is needed, of at most %d bytes and without a zero byte", maxPath)
	}
	if !path.IsAbs(at) {
		at = "/" + at // as the engine takes it
	}
	leave, err = r.Limit.Enter(c.Caller)
	return one, container, at, leave, err
}

// open is a path in a container, the header of which is in the answer then.
func (r *Resource) open(c *rest.Call) (tar io.ReadCloser, leave func(), err error) {
	one, container, at, leave, err := r.place(c, auth.CapsuleGetArchive)
	if err != nil {
		return nil, nil, err
	}
	tar, stat, err := r.Control.CopyFrom(c.R.Context(), one, container, at)
	if err != nil {
		leave()
		return nil, nil, noPath(err, at)
	}
	words, err := json.Marshal(stat)
	if err != nil {
		leave()
		return nil, nil, fmt.Errorf("encode what lies at %.255s: %w", at, err)
	}
	c.W.Header().Set(statHeader, base64.StdEncoding.EncodeToString(words))
	return tar, leave, nil
}

// getArchive is GET /v1/capsules/{id}/archive.
func (r *Resource) getArchive(c *rest.Call) error {
	tar, leave, err := r.open(c)
	if err != nil {
		return err
	}
	defer leave()
	defer tar.Close()
	s := c.Stream(tarType)
	s.Patience = logPatience
	defer s.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{s}, tar, make([]byte, 64<<10)); err != nil {
		return fmt.Errorf("copy out of a capsule: %w", err)
	}
	s.Begin()
	return nil
}

// headArchive is HEAD /v1/capsules/{id}/archive.
func (r *Resource) headArchive(c *rest.Call) error {
	tar, leave, err := r.open(c)
	if err != nil {
		return err
	}
	leave()
	_ = tar.Close() // what it is has been told before its content
	c.W.Header().Set("Content-Type", tarType)
	c.W.WriteHeader(http.StatusOK)
	return nil
}

// putArchive is PUT /v1/capsules/{id}/archive.
func (r *Resource) putArchive(c *rest.Call) error {
	one, container, at, leave, err := r.place(c, auth.CapsulePutArchive)
	if err != nil {
		return err
	}
	defer leave()
	if err := r.Control.CopyTo(c.R.Context(), one, container, at, c.Upload(time.Minute)); err != nil {
		return noPath(err, at)
	}
	c.W.WriteHeader(http.StatusOK)
	return nil
}

// noPath: of a path that is not there it is told that it is the path.
func noPath(err error, at string) error {
	if errdefs.IsNotFound(err) {
		return rest.Refuse(http.StatusNotFound, "path-not-found", "There is no %.255s in the container", at)
	}
	return fmt.Errorf("copy %.255s: %w", at, err)
}
