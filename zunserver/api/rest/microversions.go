package rest

// V is the microversion 1.minor.
func V(minor int) Version { return Version{Major: 1, Minor: minor} }

// Microversion is one step of Zun's API.
type Microversion struct {
	Minor int
	// Adds says what is different from here on.
	Adds string
	// Gated: older requests are answered or refused differently; the other steps add what every version shows (as in Zun, which
	// gates no more than these).
	Gated bool
}

// Microversions are all that are served, in order (zun/api/rest_api_version_history.rst).
var Microversions = []Microversion{
	{1, "the base", true},
	{2, "create containers with nets", true},
	{3, "create containers with auto_remove", true},
	{4, "hosts: list and show", true},
	{5, "create containers with runtime", true},
	{6, "containers: network_detach", true},
	{7, "force delete of containers is the administrator's", true},
	{8, "containers: network_attach", true},
	{9, "create containers with hostname", true},
	{10, "delete of containers is asynchronous", false},
	{11, "create containers with mounts", true},
	{12, "delete of containers with stop", true},
	{13, "containers: network_list", true},
	{14, "rename moves from POST rename to PATCH", true},
	{15, "add_security_group and remove_security_group are gone", true},
	{16, "restartPolicy of a capsule is inside spec", false},
	{17, "network_detach by port", false},
	{18, "network_list is grouped by port and has fixed_ips", true},
	{19, "containers: resize_container", true},
	{20, "command of a container is a list, no longer a string", true},
	{21, "create containers with privileged", true},
	{22, "create containers with healthcheck", true},
	{23, "mounts of containers have a type", true},
	{24, "create containers with exposed_ports", true},
	{25, "archive data is base64", true},
	{26, "quotas", false},
	{27, "networks: delete", true},
	{28, "create containers with cpu_policy", true},
	{29, "hosts say enable_cpu_pinning", false},
	{30, "registries", false},
	{31, "create containers with registry", true},
	{32, "capsules: name, labels and the whole restart_policy in place of meta_name, meta_labels and a word; delete is asynchronous", true},
	{33, "container actions say finish_time", false},
	{34, "capsules with init_containers", false},
	{35, "ports of capsule containers", false},
	{36, "tty of a container is apart from interactive", true},
	{37, "capsule containers with tty and stdin", false},
	{38, "annotations of capsules", false},
	{39, "create containers with host", true},
	{40, "create containers with entrypoint", true},
}

// The ends of the table.
var (
	MinVersion = V(Microversions[0].Minor)
	MaxVersion = V(Microversions[len(Microversions)-1].Minor)
)
