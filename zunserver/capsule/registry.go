package capsule

import "time"

// Registry is a login at a registry of images, of a project (zun/objects/registry.py).
type Registry struct {
	UUID    string `json:"uuid"`
	Name    string `json:"name,omitempty"`
	Project string `json:"project"`
	User    string `json:"user"`
	// Domain is the registry's as images name it, with its port.
	Domain    string    `json:"domain"`
	Username  string    `json:"username,omitempty"`
	Password  string    `json:"password,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// String hides the secret.
func (r Registry) String() string { return "registry " + r.Domain }

// GoString hides the secret.
func (r Registry) GoString() string { return r.String() }

// Credential is the login for a pull.
func (r Registry) Credential() Credential {
	return Credential{Server: r.Domain, Username: r.Username, Password: r.Password}
}
