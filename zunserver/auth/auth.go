package auth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/auth/secretfile"
)

// AdminProject owns what the administrator's generated token makes.
const AdminProject = "admin"

// Identity is who is calling.
type Identity struct {
	User    string
	Project string
	Roles   []string
	// Admin is the administrator, in every project: by identity, or because the policy's context_is_admin says so.
	Admin bool

	policy *Policy
}

// has says whether id has the role; roles have no case (oslo_policy/_checks.py, RoleCheck).
func (id *Identity) has(role string) bool {
	return slices.ContainsFunc(id.Roles, func(one string) bool { return strings.EqualFold(one, role) })
}

// Authenticator knows the caller of a request. Implementations are safe for concurrent use.
type Authenticator interface {
	// Authenticate answers errdefs.ErrUnauthenticated when the request says nobody or nobody known.
	Authenticate(*http.Request) (Identity, error)
}

// AnyOf lets in whom the first of the authenticators knows that knows the caller. Nobody is known when all say so; when one of
// them could not find out, that is the error.
type AnyOf []Authenticator

// Authenticate implements Authenticator.
func (as AnyOf) Authenticate(r *http.Request) (Identity, error) {
	verdict := fmt.Errorf("nobody may come in here: %w", errdefs.ErrUnauthenticated)
	for _, a := range as {
		id, err := a.Authenticate(r)
		if err == nil {
			return id, nil
		}
		if !errdefs.IsUnauthorized(err) || errdefs.IsUnauthorized(verdict) {
			verdict = err
		}
	}
	return Identity{}, verdict
}

// Under has whom a knows act under the policy that there is at the time of the call; nil is the default one.
func Under(policy func() *Policy, a Authenticator) Authenticator { return under{policy, a} }

type under struct {
	policy func() *Policy
	Authenticator
}

// Authenticate implements Authenticator.
func (u under) Authenticate(r *http.Request) (Identity, error) {
	id, err := u.Authenticator.Authenticate(r)
	if err != nil {
		return Identity{}, err
	}
	if u.policy != nil {
		id.policy = u.policy()
	}
	id.Admin = id.Admin || id.policy.allows(contextIsAdmin, &id, "")
	return id, nil
}

// Trusted knows whoever comes in through a listener that says who it is for: see Trust.
type Trusted struct{}

type trusted struct{}

// Trust is the context of the connections of a listener that only id can reach, for http.Server.BaseContext.
func Trust(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, trusted{}, id)
}

// Authenticate implements Authenticator. What token is sent does not matter: clients without authentication send something too.
func (Trusted) Authenticate(r *http.Request) (Identity, error) {
	if id, ok := r.Context().Value(trusted{}).(Identity); ok {
		return id, nil
	}
	return Identity{}, fmt.Errorf("this listener wants a token: %w", errdefs.ErrUnauthenticated)
}

// LoadOrCreateToken reads the administrator's token from the file at path, or makes a new one there (256 random bits, mode
// 0600). It refuses a file that everybody may read.
func LoadOrCreateToken(path string) (string, error) {
	token, err := secretfile.LoadOrCreate(path, func() (string, error) {
		b := make([]byte, 32)
		_, err := rand.Read(b)
		return hex.EncodeToString(b), err
	})
	if err != nil {
		return "", fmt.Errorf("get the administrator's token: %w", err)
	}
	return token, nil
}

// Administrator is the identity of the generated token.
func Administrator() Identity {
	return Identity{User: "admin", Project: AdminProject, Roles: []string{"admin"}, Admin: true}
}
