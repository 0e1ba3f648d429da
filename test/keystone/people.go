package keystone

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
)

// Password is what AddUser gives a user.
func Password(user string) string { return "password-of-" + user }

// Environment is that of a user who has sourced an openrc file.
func (s *Server) Environment(user, password, project string) map[string]string {
	return map[string]string{"OS_AUTH_URL": s.URL, "OS_IDENTITY_API_VERSION": "3", "OS_USERNAME": user, "OS_PASSWORD": password,
		"OS_PROJECT_NAME": project, "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": Region}
}

// AddUser makes a user with a role in a project of its own, which is made too, as is the role if there is none. It returns the
// project's ID.
func AddUser(ctx context.Context, admin *gophercloud.ServiceClient, user, project, role string) (string, error) {
	p, err := projects.Create(ctx, admin, projects.CreateOpts{Name: project, DomainID: "default"}).Extract()
	if err != nil {
		return "", fmt.Errorf("make the project %s: %w", project, err)
	}
	u, err := users.Create(ctx, admin, users.CreateOpts{Name: user, DomainID: "default", Password: Password(user)}).Extract()
	if err != nil {
		return "", fmt.Errorf("make the user %s: %w", user, err)
	}
	page, err := roles.List(admin, roles.ListOpts{Name: role}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("find the role %s: %w", role, err)
	}
	known, err := roles.ExtractRoles(page)
	if err != nil {
		return "", err
	}
	if len(known) == 0 {
		made, err := roles.Create(ctx, admin, roles.CreateOpts{Name: role}).Extract()
		if err != nil {
			return "", fmt.Errorf("make the role %s: %w", role, err)
		}
		known = append(known, *made)
	}
	if err := roles.Assign(ctx, admin, known[0].ID, roles.AssignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr(); err != nil {
		return "", fmt.Errorf("give %s the role %s: %w", user, role, err)
	}
	return p.ID, nil
}
