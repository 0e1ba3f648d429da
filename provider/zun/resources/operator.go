package resources

import (
	"context"
	"net/http"
)

// Image is an image on a host (zun/api/controllers/v1/views/images_view.py).
type Image struct {
	UUID            string `json:"uuid"`
	ImageID         string `json:"image_id"`
	Repo            string `json:"repo"`
	Tag             string `json:"tag"`
	Size            string `json:"size"`
	ProjectID       string `json:"project_id"`
	ImagePullPolicy string `json:"image_pull_policy"`
	Host            string `json:"host"`
	// Status is capsulet's: pulling, available or error.
	Status       string `json:"status,omitempty"`
	StatusReason string `json:"status_reason,omitempty"`
	UpdatedAt    string `json:"updated_at,omitempty"`
}

// Images lists the images of the hosts.
func (c Client) Images(ctx context.Context) ([]Image, error) {
	return list[Image](ctx, c, "images", []string{"images"}, nil)
}

// Image returns one by UUID.
func (c Client) Image(ctx context.Context, id string) (Image, error) {
	return get[Image](ctx, c, "get image "+id, nil, "images", id)
}

// PullImage asks for an image on a host.
func (c Client) PullImage(ctx context.Context, repo, tag, host string) (Image, error) {
	body := map[string]string{"repo": repo, "host": host}
	if tag != "" {
		body["tag"] = tag
	}
	return send[Image](ctx, c, "pull image "+repo, http.MethodPost, nil, body, "images")
}

// DeleteImage takes an image from its host.
func (c Client) DeleteImage(ctx context.Context, id string) error {
	return c.ask(ctx, "delete image "+id, http.MethodDelete, nil, nil, "images", id)
}

// FoundImage is an image of a registry.
type FoundImage struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Tags     []string          `json:"tags"`
	Status   string            `json:"status"`
	Size     int64             `json:"size"` // bytes
	Metadata map[string]string `json:"metadata"`
}

// SearchImages searches the images of a driver; parameters are image_driver and exact_match.
func (c Client) SearchImages(ctx context.Context, word string, q Query) ([]FoundImage, error) {
	return get[[]FoundImage](ctx, c, "search images "+word, q, "images", word, "search")
}

// Host is a container host (zun/api/controllers/v1/views/hosts_view.py).
type Host struct {
	UUID             string            `json:"uuid"`
	Hostname         string            `json:"hostname"`
	MemTotal         int64             `json:"mem_total"` // MiB
	MemUsed          int64             `json:"mem_used"`
	CPUs             int               `json:"cpus"`
	CPUUsed          float64           `json:"cpu_used"`
	TotalContainers  int               `json:"total_containers"`
	Architecture     string            `json:"architecture"`
	OSType           string            `json:"os_type"`
	OS               string            `json:"os"`
	KernelVersion    string            `json:"kernel_version"`
	Labels           map[string]string `json:"labels"`
	DiskTotal        int64             `json:"disk_total"` // GiB
	DiskUsed         int64             `json:"disk_used"`
	Runtimes         []string          `json:"runtimes"`
	EnableCPUPinning bool              `json:"enable_cpu_pinning"`
}

// Host returns a host by name or UUID.
func (c Client) Host(ctx context.Context, id string) (Host, error) {
	return get[Host](ctx, c, "get host "+id, nil, "hosts", id)
}

// Service is a server's part that serves a host (zun/api/controllers/v1/views/services_view.py).
type Service struct {
	ID               any    `json:"id"`
	Host             string `json:"host"`
	Binary           string `json:"binary"`
	State            string `json:"state"`
	Disabled         bool   `json:"disabled"`
	DisabledReason   string `json:"disabled_reason"`
	ForcedDown       bool   `json:"forced_down"`
	ReportCount      int64  `json:"report_count"`
	LastSeenUp       string `json:"last_seen_up"`
	AvailabilityZone string `json:"availability_zone"`
	CreatedAt        string `json:"created_at"`
	UpdatedAt        string `json:"updated_at"`
}

// Services lists them.
func (c Client) Services(ctx context.Context) ([]Service, error) {
	return list[Service](ctx, c, "services", []string{"services"}, nil)
}

// ChangeService asks for enable, disable or force_down; parameters are host, binary, disabled_reason and forced_down.
func (c Client) ChangeService(ctx context.Context, action string, q Query) error {
	return c.ask(ctx, action+" the service of host "+q["host"], http.MethodPut, q, nil, "services", action)
}

// DeleteService forgets a service that is down.
func (c Client) DeleteService(ctx context.Context, q Query) error {
	return c.ask(ctx, "delete the service of host "+q["host"], http.MethodDelete, q, nil, "services")
}

// Zone is an availability zone.
type Zone struct {
	Name string `json:"availability_zone"`
}

// Zones lists them.
func (c Client) Zones(ctx context.Context) ([]Zone, error) {
	return list[Zone](ctx, c, "availability_zones", []string{"availability_zones"}, nil)
}

// Network is a network of the engines.
type Network struct {
	UUID         string   `json:"uuid"`
	Name         string   `json:"name"`
	ProjectID    string   `json:"project_id"`
	UserID       string   `json:"user_id"`
	NetworkID    string   `json:"network_id"` // its name on the engines
	NeutronNetID string   `json:"neutron_net_id"`
	Subnets      []string `json:"subnets"`
	Internal     bool     `json:"internal"`
	Shared       bool     `json:"shared"`
	CreatedAt    string   `json:"created_at"`
}

// NewNetwork is what a network is made of; Project, Subnets and Internal are capsulet's.
type NewNetwork struct {
	Name         string   `json:"name"`
	NeutronNetID string   `json:"neutron_net_id,omitempty"`
	Project      string   `json:"project_id,omitempty"`
	Subnets      []string `json:"subnets,omitempty"`
	Internal     bool     `json:"internal,omitempty"`
}

// Networks lists them; capsulet's, Zun has no list.
func (c Client) Networks(ctx context.Context) ([]Network, error) {
	return list[Network](ctx, c, "networks", []string{"networks"}, nil)
}

// Network returns one by UUID or name; capsulet's.
func (c Client) Network(ctx context.Context, id string) (Network, error) {
	return get[Network](ctx, c, "get network "+id, nil, "networks", id)
}

// CreateNetwork makes one.
func (c Client) CreateNetwork(ctx context.Context, of NewNetwork) (Network, error) {
	return send[Network](ctx, c, "create network "+of.Name, http.MethodPost, nil, of, "networks")
}

// DeleteNetwork takes one away.
func (c Client) DeleteNetwork(ctx context.Context, id string) error {
	return c.ask(ctx, "delete network "+id, http.MethodDelete, nil, nil, "networks", id)
}

// Endpoint is one way to a port of a capsule or a container.
type Endpoint struct {
	Address       string `json:"address"`
	Port          int    `json:"port"`
	Scope         string `json:"scope"`
	PortScope     string `json:"portScope"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

// Endpoints lists where the ports of a capsule or container are reached; with from, the nearest ways out of that capsule.
// family is capsules or containers. It is capsulet's.
func (c Client) Endpoints(ctx context.Context, family, id string, q Query) ([]Endpoint, error) {
	return list[Endpoint](ctx, c, "endpoints", []string{family, id, "endpoints"}, q)
}
