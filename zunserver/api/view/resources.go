package view

import (
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Network is a network (zun/api/controllers/v1/views/network_view.py) and, from subnets on, what Neutron would say of it.
type Network struct {
	UUID         string `json:"uuid"`
	Name         string `json:"name"`
	ProjectID    string `json:"project_id"`
	UserID       string `json:"user_id"`
	NetworkID    string `json:"network_id"` // its name on the engines
	NeutronNetID string `json:"neutron_net_id"`

	Subnets   []string `json:"subnets"`
	Internal  bool     `json:"internal"`
	Shared    bool     `json:"shared"`
	CreatedAt *string  `json:"created_at"`
}

// OfNetwork is the representation of a network of the API.
func OfNetwork(n *capsule.Network) Network {
	v := Network{
		UUID: n.UUID, Name: n.Name, ProjectID: n.Project, UserID: n.User, NetworkID: capsule.EngineNetwork(n.UUID), NeutronNetID: n.UUID,
		Subnets: []string{}, Internal: n.Internal, Shared: n.Shared, CreatedAt: date(n.CreatedAt),
	}
	for _, p := range n.Subnets {
		v.Subnets = append(v.Subnets, p.String())
	}
	return v
}

// OfEngineNetwork is the representation of a network that the engines have of their own.
func OfEngineNetwork(name string) Network {
	id := capsule.NetworkUUID(name)
	return Network{UUID: id, Name: name, NetworkID: name, NeutronNetID: id, Subnets: []string{}, Shared: true}
}

// Registry is a login at a registry of images (zun/api/controllers/v1/views/registries_view.py).
type Registry struct {
	UUID      string `json:"uuid"`
	Links     []Link `json:"links"`
	Name      string `json:"name"`
	ProjectID string `json:"project_id"`
	UserID    string `json:"user_id"`
	Domain    string `json:"domain"`
	Username  string `json:"username"`
	Password  string `json:"password"` // always "***"
}

// OfRegistry is the representation of a registry.
func OfRegistry(r *capsule.Registry, base string) Registry {
	return Registry{
		UUID: r.UUID, Links: links(base, "registries", r.UUID), Name: r.Name, ProjectID: r.Project, UserID: r.User,
		Domain: r.Domain, Username: r.Username, Password: Mask,
	}
}

// Quotas are limits: containers, memory in MiB, cpu in cores, disk in GiB; -1 is none (zun/common/quota.py).
type Quotas struct {
	Containers int64 `json:"containers"`
	Memory     int64 `json:"memory"`
	CPU        int64 `json:"cpu"`
	Disk       int64 `json:"disk"`
}

// Usage is a limit and how much of it is in use.
type Usage struct {
	Limit int64   `json:"limit"`
	InUse float64 `json:"in_use"`
}

// Usages are the limits of a project with what it uses.
type Usages struct {
	Containers Usage `json:"containers"`
	Memory     Usage `json:"memory"`
	CPU        Usage `json:"cpu"`
	Disk       Usage `json:"disk"`
}

// Service is zun-compute of a host (zun/api/controllers/v1/views/services_view.py).
type Service struct {
	ID               int64   `json:"id"`
	Host             string  `json:"host"`
	Binary           string  `json:"binary"`
	State            string  `json:"state"` // up or down
	Disabled         bool    `json:"disabled"`
	DisabledReason   *string `json:"disabled_reason"`
	ForcedDown       bool    `json:"forced_down"`
	ReportCount      int64   `json:"report_count"`
	LastSeenUp       *string `json:"last_seen_up"`
	AvailabilityZone string  `json:"availability_zone"`
	CreatedAt        *string `json:"created_at"`
	UpdatedAt        *string `json:"updated_at"`
}

// MicroDate is the format of times of services: ISO 8601 with microseconds and no zone; null for no time.
func MicroDate(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return orNull(t.UTC().Format("2006-01-02T15:04:05.000000"))
}

// Zone is an availability zone (zun/api/controllers/v1/views/availability_zone_view.py).
type Zone struct {
	AvailabilityZone string `json:"availability_zone"`
}

// Image is an image on one host (zun/api/controllers/v1/views/images_view.py). The last three are not Zun's.
type Image struct {
	UUID            string  `json:"uuid"`
	Links           []Link  `json:"links"`
	ImageID         *string `json:"image_id"`
	Repo            string  `json:"repo"`
	Tag             string  `json:"tag"`
	Size            *string `json:"size"` // bytes
	ProjectID       *string `json:"project_id"`
	ImagePullPolicy *string `json:"image_pull_policy"`
	Host            string  `json:"host"`

	Status       string  `json:"status"` // pulling, available, error
	StatusReason *string `json:"status_reason"`
	UpdatedAt    *string `json:"updated_at"`
}

// OfImage is the representation of an image on a host.
func OfImage(i *capsule.HostImage, base string) Image {
	v := Image{
		UUID: i.UUID, Links: links(base, "images", i.UUID), ImageID: orNull(i.ImageID), Repo: i.Repo, Tag: i.Tag, ProjectID: orNull(i.Project),
		ImagePullPolicy: orNull(i.Policy), Host: i.Host, Status: i.Status(), StatusReason: orNull(i.Failure), UpdatedAt: date(latest(i.AskedAt, i.TriedAt)),
	}
	if i.SizeBytes > 0 {
		v.Size = orNull(decimal(i.SizeBytes))
	}
	return v
}

// ImageMatch is an image that a search found, with the properties that zunclient prints.
type ImageMatch struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Tags     []string          `json:"tags"`
	Status   string            `json:"status"`
	Size     int64             `json:"size"` // bytes
	Metadata map[string]string `json:"metadata"`
}
