package registries

import (
	"context"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Credential is the login at the registry that a project calls ident, by name or UUID, and the registry's UUID. Its server is
// called as images call it. The error for one that is not there is a refusal.
func (r *Resource) Credential(ctx context.Context, project, ident string) (capsule.Credential, string, error) {
	one, err := r.lookUp(ctx, project, ident, false)
	if err != nil {
		return capsule.Credential{}, "", err
	}
	return login(one), one.UUID, nil
}

// Logins finds, for an image, the logins at the registries of a project that it can come from.
func (r *Resource) Logins(ctx context.Context, project string) (func(image string) []capsule.Credential, error) {
	all, err := r.of(ctx, project, false)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *capsule.Registry) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return func(image string) []capsule.Credential {
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			return nil // who pulls it says so
		}
		var logins []capsule.Credential
		for _, one := range all {
			if one.Username != "" && domain(one.Domain) == reference.Domain(named) {
				logins = append(logins, login(one))
			}
		}
		return logins
	}, nil
}

func login(r *capsule.Registry) capsule.Credential {
	c := r.Credential()
	c.Server = domain(r.Domain)
	return c
}

// domain is what images call a registry that people write as a URL or by its old name.
func domain(written string) string {
	if _, after, ok := strings.Cut(written, "://"); ok {
		written = after
	}
	host, _, _ := strings.Cut(written, "/")
	if host = strings.ToLower(host); host == "index.docker.io" || host == "registry-1.docker.io" {
		return "docker.io"
	}
	return host
}
