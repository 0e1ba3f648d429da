package creation

// Body is the body of POST /v1/containers at the newest microversion, with what is ours at its end. Numbers and truths may come
// as strings.
type Body struct {
	Image           string            `json:"image"`
	Name            *string           `json:"name,omitempty"`
	Command         any               `json:"command,omitempty"` // a list; up to 1.19 a string
	Entrypoint      []string          `json:"entrypoint,omitempty"`
	CPU             any               `json:"cpu,omitempty"`
	CPUPolicy       *string           `json:"cpu_policy,omitempty"`
	Memory          any               `json:"memory,omitempty"`
	Disk            any               `json:"disk,omitempty"`
	Workdir         *string           `json:"workdir,omitempty"`
	AutoRemove      any               `json:"auto_remove,omitempty"`
	ImagePullPolicy *string           `json:"image_pull_policy,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	Environment     map[string]string `json:"environment,omitempty"`
	RestartPolicy   *RestartPolicy    `json:"restart_policy,omitempty"`
	Interactive     any               `json:"interactive,omitempty"`
	TTY             any               `json:"tty,omitempty"`
	ImageDriver     *string           `json:"image_driver,omitempty"`
	SecurityGroups  []string          `json:"security_groups,omitempty"`
	Hints           map[string]any    `json:"hints,omitempty"`
	Mounts          []Mount           `json:"mounts,omitempty"`
	Nets            []Net             `json:"nets,omitempty"`
	Runtime         *string           `json:"runtime,omitempty"`
	Hostname        *string           `json:"hostname,omitempty"`
	AvailZone       *string           `json:"availability_zone,omitempty"`
	AutoHeal        any               `json:"auto_heal,omitempty"`
	Privileged      any               `json:"privileged,omitempty"`
	Healthcheck     *Healthcheck      `json:"healthcheck,omitempty"`
	ExposedPorts    map[string]Port   `json:"exposed_ports,omitempty"`
	Registry        *string           `json:"registry,omitempty"`
	Host            *string           `json:"host,omitempty"`
	Sandbox         *string           `json:"sandbox,omitempty"`
	Capsule         *string           `json:"capsule,omitempty"`
}

// RestartPolicy is Docker's.
type RestartPolicy struct {
	Name              string `json:"Name"`
	MaximumRetryCount any    `json:"MaximumRetryCount,omitempty"`
}

// Mount is a volume, or for the type bind a file whose content is source, in base64.
type Mount struct {
	Type        string  `json:"type,omitempty"`
	Source      *string `json:"source,omitempty"`
	Destination string  `json:"destination"`
	Size        any     `json:"size,omitempty"`
}

// Net is a network that the container shall be in.
type Net struct {
	Network string `json:"network,omitempty"`
	Port    string `json:"port,omitempty"`
	V4      string `json:"v4-fixed-ip,omitempty"`
	V6      string `json:"v6-fixed-ip,omitempty"`
}

// Healthcheck is a command for a shell; interval and timeout are in seconds.
type Healthcheck struct {
	Cmd      string `json:"cmd"`
	Interval any    `json:"interval,omitempty"`
	Retries  any    `json:"retries,omitempty"`
	Timeout  any    `json:"timeout,omitempty"`
}

// Port is how a port is exposed. HostPort is ours.
type Port struct {
	HostPort int32 `json:"hostPort,omitempty"`
}
