package resources

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// Address is one address in a network.
type Address struct {
	Addr             string `json:"addr"`
	Version          int    `json:"version"`
	Port             string `json:"port"`
	SubnetID         string `json:"subnet_id"`
	PreserveOnDelete bool   `json:"preserve_on_delete"`
}

// RestartPolicy has the count as a string.
type RestartPolicy struct {
	Name              string `json:"Name"`
	MaximumRetryCount string `json:"MaximumRetryCount,omitempty"`
}

// Container is a container (zun/api/controllers/v1/views/containers_view.py).
type Container struct {
	UUID           string               `json:"uuid"`
	Name           string               `json:"name"`
	ProjectID      string               `json:"project_id"`
	UserID         string               `json:"user_id"`
	Image          string               `json:"image"`
	Status         string               `json:"status"`
	StatusReason   string               `json:"status_reason"`
	StatusDetail   string               `json:"status_detail"`
	TaskState      string               `json:"task_state"`
	CPU            float64              `json:"cpu"`
	CPUPolicy      string               `json:"cpu_policy"`
	Memory         string               `json:"memory"` // MiB
	Disk           int64                `json:"disk"`   // GiB
	Command        []string             `json:"command"`
	Entrypoint     []string             `json:"entrypoint"`
	Environment    map[string]string    `json:"environment"`
	Workdir        string               `json:"workdir"`
	Hostname       string               `json:"hostname"`
	Ports          []int                `json:"ports"`
	Labels         map[string]string    `json:"labels"`
	Addresses      map[string][]Address `json:"addresses"`
	RestartPolicy  RestartPolicy        `json:"restart_policy"`
	Interactive    bool                 `json:"interactive"`
	TTY            bool                 `json:"tty"`
	AutoRemove     bool                 `json:"auto_remove"`
	AutoHeal       bool                 `json:"auto_heal"`
	ImageDriver    string               `json:"image_driver"`
	SecurityGroups []string             `json:"security_groups"`
	Healthcheck    map[string]any       `json:"healthcheck"`
	RegistryID     string               `json:"registry_id"`
	CreatedAt      string               `json:"created_at"`
	UpdatedAt      string               `json:"updated_at"`
	// The rest is shown to administrators.
	Host            string `json:"host,omitempty"`
	ImagePullPolicy string `json:"image_pull_policy,omitempty"`
	Privileged      bool   `json:"privileged,omitempty"`
	Runtime         string `json:"runtime,omitempty"`
}

// Mount is a volume or, of the type bind, a file whose content is Source, in base64 (zun/api/controllers/v1/schemas/parameter_types.py).
type Mount struct {
	Source      string `json:"source,omitempty"`
	Size        string `json:"size,omitempty"`
	Destination string `json:"destination"`
	Type        string `json:"type,omitempty"`
}

// Net is a network that a container joins, or a port that is there.
type Net struct {
	Network   string `json:"network,omitempty"`
	Port      string `json:"port,omitempty"`
	V4FixedIP string `json:"v4-fixed-ip,omitempty"`
	V6FixedIP string `json:"v6-fixed-ip,omitempty"`
}

// Exposed is what is said of an exposed port: nothing, in Zun; HostPort is capsulet's.
type Exposed struct {
	HostPort int `json:"hostPort,omitempty"`
}

// NewContainer is what a container is made of (zun/api/controllers/v1/schemas/containers.py). What is not given is the server's to choose.
type NewContainer struct {
	Image            string             `json:"image"`
	Name             string             `json:"name,omitempty"`
	Command          []string           `json:"command,omitempty"`
	Entrypoint       []string           `json:"entrypoint,omitempty"`
	CPU              float64            `json:"cpu,omitempty"`
	Memory           string             `json:"memory,omitempty"`
	Disk             int64              `json:"disk,omitempty"`
	Workdir          string             `json:"workdir,omitempty"`
	Hostname         string             `json:"hostname,omitempty"`
	Environment      map[string]string  `json:"environment,omitempty"`
	Labels           map[string]string  `json:"labels,omitempty"`
	Hints            map[string]string  `json:"hints,omitempty"`
	ImagePullPolicy  string             `json:"image_pull_policy,omitempty"`
	ImageDriver      string             `json:"image_driver,omitempty"`
	RestartPolicy    *RestartPolicy     `json:"restart_policy,omitempty"`
	Interactive      bool               `json:"interactive,omitempty"`
	TTY              bool               `json:"tty,omitempty"`
	AutoRemove       bool               `json:"auto_remove,omitempty"`
	AutoHeal         bool               `json:"auto_heal,omitempty"`
	Privileged       bool               `json:"privileged,omitempty"`
	Mounts           []Mount            `json:"mounts,omitempty"`
	Nets             []Net              `json:"nets,omitempty"`
	ExposedPorts     map[string]Exposed `json:"exposed_ports,omitempty"`
	SecurityGroups   []string           `json:"security_groups,omitempty"`
	Healthcheck      map[string]any     `json:"healthcheck,omitempty"`
	AvailabilityZone string             `json:"availability_zone,omitempty"`
	Runtime          string             `json:"runtime,omitempty"`
	Registry         string             `json:"registry,omitempty"`
	Host             string             `json:"host,omitempty"`
	// Sandbox or Capsule is where it shall live; capsulet's.
	Sandbox string `json:"sandbox,omitempty"`
	Capsule string `json:"capsule,omitempty"`
}

// Containers lists containers; the filters are name, image, status, host, all_projects and so on.
func (c Client) Containers(ctx context.Context, filters Query) ([]Container, error) {
	return list[Container](ctx, c, "containers", []string{"containers"}, filters)
}

// Container returns one by name or UUID; NotFound. The parameter capsule names the capsule that it belongs to.
func (c Client) Container(ctx context.Context, id string, q Query) (Container, error) {
	return get[Container](ctx, c, "get container "+id, q, "containers", id)
}

// CreateContainer makes one and, with run, starts it.
func (c Client) CreateContainer(ctx context.Context, of NewContainer, run bool) (Container, error) {
	return send[Container](ctx, c, "create container "+of.Name, http.MethodPost, Query{"run": strconv.FormatBool(run)}, of, "containers")
}

// UpdateContainer changes name, cpu, memory and auto_heal; of a container of the capsule that the parameter capsule names, cpu and
// memory.
func (c Client) UpdateContainer(ctx context.Context, id string, q Query, changes map[string]any) (Container, error) {
	return send[Container](ctx, c, "update container "+id, http.MethodPatch, q, changes, "containers", id)
}

// DeleteContainer asks for its end: parameters are force and stop.
func (c Client) DeleteContainer(ctx context.Context, id string, q Query) error {
	return c.ask(ctx, "delete container "+id, http.MethodDelete, q, nil, "containers", id)
}

// Act asks for an action of a container: start, stop, reboot, pause, unpause, kill, rebuild, commit, network_attach, network_detach …
func (c Client) Act(ctx context.Context, id, action string, q Query) error {
	return c.ask(ctx, strings.ReplaceAll(action, "_", " ")+" container "+id, http.MethodPost, q, nil, "containers", id, action)
}

// Logs returns the log so far: parameters are stdout, stderr, timestamps, tail and since.
func (c Client) Logs(ctx context.Context, id string, q Query) (string, error) {
	return get[string](ctx, c, "read the log of container "+id, q, "containers", id, "logs")
}

// Processes is what runs in a container.
type Processes struct {
	Titles    []string
	Processes [][]string
}

// Top lists what runs in a container; psArgs may be empty.
func (c Client) Top(ctx context.Context, id, psArgs string) (Processes, error) {
	return get[Processes](ctx, c, "list the processes of container "+id, Query{"ps_args": psArgs}, "containers", id, "top")
}

// ContainerStats is what a container uses, in Zun's words.
func (c Client) ContainerStats(ctx context.Context, id string) (map[string]any, error) {
	return get[map[string]any](ctx, c, "read the statistics of container "+id, nil, "containers", id, "stats")
}

// Executed is how a command ended, or where it can be joined.
type Executed struct {
	Output   string `json:"output"`
	ExitCode int    `json:"exit_code"`
	ExecID   string `json:"exec_id"`
	Token    string `json:"token"`
	ProxyURL string `json:"proxy_url"`
}

// Execute runs a command to its end, or makes it ready to be joined when interactive. command is split by the server as a shell does.
func (c Client) Execute(ctx context.Context, id, command string, interactive bool) (Executed, error) {
	q := Query{"command": command, "run": strconv.FormatBool(!interactive), "interactive": strconv.FormatBool(interactive)}
	return send[Executed](ctx, c, "run a command in container "+id, http.MethodPost, q, nil, "containers", id, "execute")
}

// Attach returns the URL where the main process can be joined.
func (c Client) Attach(ctx context.Context, id string) (string, error) {
	return get[string](ctx, c, "attach to container "+id, nil, "containers", id, "attach")
}

// Resize tells the size of the terminal of an attachment, or of the command execID.
func (c Client) Resize(ctx context.Context, id, execID string, width, height int) error {
	q, action := Query{"w": strconv.Itoa(width), "h": strconv.Itoa(height)}, "resize"
	if execID != "" {
		q["exec_id"], action = execID, "execute_resize"
	}
	return c.ask(ctx, "resize the terminal of container "+id, http.MethodPost, q, nil, "containers", id, action)
}

// Attachment is a port of a container in a network.
type Attachment struct {
	NetID    string    `json:"net_id"`
	PortID   string    `json:"port_id"`
	FixedIPs []FixedIP `json:"fixed_ips"`
	SubnetID string    `json:"subnet_id,omitempty"`
}

// FixedIP is an address of a port.
type FixedIP struct {
	IPAddress string `json:"ip_address"`
	SubnetID  string `json:"subnet_id"`
}

// ContainerNetworks lists the networks that a container is in.
func (c Client) ContainerNetworks(ctx context.Context, id string) ([]Attachment, error) {
	return list[Attachment](ctx, c, "networks", []string{"containers", id, "network_list"}, nil)
}

// Action is something that was asked of a container.
type Action struct {
	Action        string  `json:"action"`
	ContainerUUID string  `json:"container_uuid"`
	RequestID     string  `json:"request_id"`
	UserID        string  `json:"user_id"`
	ProjectID     string  `json:"project_id"`
	StartTime     string  `json:"start_time"`
	FinishTime    string  `json:"finish_time"`
	Message       string  `json:"message"`
	Events        []Event `json:"events,omitempty"`
}

// Event is a step of an action.
type Event struct {
	Event      string `json:"event"`
	StartTime  string `json:"start_time"`
	FinishTime string `json:"finish_time"`
	Result     string `json:"result"`
	Traceback  string `json:"traceback,omitempty"`
}

// Actions lists what was asked of a container.
func (c Client) Actions(ctx context.Context, id string) ([]Action, error) {
	return list[Action](ctx, c, "containerActions", []string{"containers", id, "container_actions"}, nil)
}

// Action returns what was asked of a container by one request, with its events.
func (c Client) Action(ctx context.Context, id, request string) (Action, error) {
	var body struct {
		Action Action `json:"containerAction"`
	}
	err := c.api.Do(ctx, "get action "+request+" of container "+id, http.MethodGet, []string{"containers", id, "container_actions", request}, nil, nil, &body)
	return body.Action, err
}
