package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/containerd/errdefs"
	yaml "go.yaml.in/yaml/v3"

	"github.com/capsulet/capsulet/zunserver/auth/secretfile"
)

// Callers are those that a file of the operator names, each known by a token or a client certificate.
type Callers struct {
	tokens *Tokens
	byName map[string]Identity // by the common name of a certificate
}

// caller is one entry of the file.
type caller struct {
	User    string   `yaml:"user"`
	Project string   `yaml:"project"`
	Roles   []string `yaml:"roles"`
	// One or more of these tells who it is. TokenSHA256 is of the token, in hexadecimal.
	Token       string `yaml:"token"`
	TokenSHA256 string `yaml:"tokenSHA256"`
	CommonName  string `yaml:"commonName"`
}

// LoadCallers reads the file at path, which others may not read: a YAML list of user, project, roles, and token, tokenSHA256 or
// commonName. Errors name the entry and not its token; their class is InvalidArgument, or FailedPrecondition for the file itself.
func LoadCallers(path string) (*Callers, error) {
	text, err := secretfile.Load(path)
	if err != nil {
		return nil, err
	}
	var list []caller
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is not a list of callers; each has user, project, roles, and token, tokenSHA256 or commonName: %w",
			path, errdefs.ErrInvalidArgument) // the decoder's error may repeat a token
	}
	c := &Callers{tokens: new(Tokens), byName: map[string]Identity{}}
	var errs []error
	for i := range list {
		if err := c.add(&list[i]); err != nil {
			errs = append(errs, fmt.Errorf("%s: caller %d (user %q): %w", path, i+1, list[i].User, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%w: %w", err, errdefs.ErrInvalidArgument)
	}
	return c, nil
}

func (c *Callers) add(one *caller) error {
	id := Identity{User: one.User, Project: one.Project, Roles: one.Roles}
	switch {
	case one.User == "":
		return errors.New("user is missing")
	case one.Project == "":
		return errors.New("project is missing")
	case one.Token == "" && one.TokenSHA256 == "" && one.CommonName == "":
		return errors.New("there is no token, tokenSHA256 or commonName to know it by")
	}
	if one.Token != "" {
		if err := checkToken(one.Token); err != nil {
			return err
		}
		if err := c.tokens.add(sha256.Sum256([]byte(one.Token)), id); err != nil {
			return err
		}
	}
	if one.TokenSHA256 != "" {
		digest, err := hex.DecodeString(one.TokenSHA256)
		if err != nil || len(digest) != sha256.Size {
			return errors.New("tokenSHA256 is not the 64 hexadecimal digits that sha256sum prints")
		}
		if err := c.tokens.add([sha256.Size]byte(digest), id); err != nil {
			return err
		}
	}
	if one.CommonName != "" {
		if _, twice := c.byName[one.CommonName]; twice {
			return fmt.Errorf("commonName %q is another caller's, too", one.CommonName)
		}
		c.byName[one.CommonName] = id
	}
	return nil
}

// Authenticate implements Authenticator. A certificate says who is calling only when no token is sent; that it is of an authority
// which is trusted is the listener's to verify.
func (c *Callers) Authenticate(r *http.Request) (Identity, error) {
	if SentToken(r) != "" || r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return c.tokens.Authenticate(r)
	}
	name := r.TLS.VerifiedChains[0][0].Subject.CommonName
	id, ok := c.byName[name]
	if !ok || name == "" {
		return Identity{}, fmt.Errorf("the client certificate of %.255q is nobody's here: %w", name, errdefs.ErrUnauthenticated)
	}
	return id, nil
}

// Current is an Authenticator that may be another one for each request.
type Current func() Authenticator

// Authenticate implements Authenticator.
func (c Current) Authenticate(r *http.Request) (Identity, error) { return c().Authenticate(r) }
