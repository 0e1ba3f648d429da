package capsule

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// RestartPolicy says when a container that ended is started again.
type RestartPolicy string

// The restart policies of a capsule template (Zun: schemas/parameter_types.py, restart_policy).
const (
	RestartAlways    RestartPolicy = "Always"
	RestartOnFailure RestartPolicy = "OnFailure"
	RestartNever     RestartPolicy = "Never"
)

// DefaultGraceSeconds is how long containers get to stop when the template does not say: Zun's and Docker's 10 s.
const DefaultGraceSeconds = 10

// Spec is what was asked for: the template, normalised to one form. [Spec.Adopt] says what of it may change later.
type Spec struct {
	Name             string            `json:"name"`
	Labels           map[string]string `json:"labels,omitempty"`
	Annotations      map[string]string `json:"annotations,omitempty"`
	AvailabilityZone string            `json:"availabilityZone,omitempty"`
	// HostSelector is the name of the host that the capsule has to live on, HostLabels are labels that its host has to have.
	HostSelector   string            `json:"hostSelector,omitempty"`
	HostLabels     map[string]string `json:"hostLabels,omitempty"`
	RestartPolicy  RestartPolicy     `json:"restartPolicy"`
	InitContainers []ContainerSpec   `json:"initContainers,omitempty"`
	Containers     []ContainerSpec   `json:"containers"`
	// EphemeralContainers are added to a capsule that is there already, to look into it: each runs once and counts for
	// nothing.
	EphemeralContainers []ContainerSpec `json:"ephemeralContainers,omitempty"`
	Volumes             []Volume        `json:"volumes,omitempty"`

	// TerminationGracePeriodSeconds nil means DefaultGraceSeconds.
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
	// ActiveDeadlineSeconds counts from Facts.StartedAt.
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	Hostname    string             `json:"hostname,omitempty"`
	Subdomain   string             `json:"subdomain,omitempty"`
	DNS         *DNS               `json:"dns,omitempty"`
	HostAliases []corev1.HostAlias `json:"hostAliases,omitempty"`
	// HostDomain is the domain of the hostname, for /etc/hosts and SetHostnameAsFQDN.
	HostDomain string `json:"hostDomain,omitempty"`
	// SetHostnameAsFQDN makes hostname and HostDomain together the name that the kernel answers.
	SetHostnameAsFQDN bool `json:"setHostnameAsFQDN,omitempty"`
	// ManagedHosts gives the containers an /etc/hosts as the kubelet writes it instead of the engine's.
	ManagedHosts bool `json:"managedHosts,omitempty"`

	// Resources are cpu and memory of the capsule as a whole: what its containers ask for together, and the limit of each
	// that has none of its own.
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`

	// Nets are the networks of the sandbox: see [Spec.SandboxNets]. They may change while the capsule lives.
	Nets []Net `json:"nets,omitempty"`

	HostNetwork           bool `json:"hostNetwork,omitempty"`
	HostPID               bool `json:"hostPID,omitempty"`
	HostIPC               bool `json:"hostIPC,omitempty"`
	ShareProcessNamespace bool `json:"shareProcessNamespace,omitempty"`

	SecurityContext *corev1.PodSecurityContext `json:"securityContext,omitempty"`
	// Runtime is the engine's OCI runtime for all containers; empty is its default. Only hosts that have it are taken.
	Runtime string `json:"runtime,omitempty"`
	// Hash is the client's hash of what it translated into this spec; the server keeps and returns it.
	Hash string `json:"hash,omitempty"`
}

// Grace is the grace period in seconds that a delete without one gets.
func (s *Spec) Grace() int64 {
	if s.TerminationGracePeriodSeconds != nil {
		return *s.TerminationGracePeriodSeconds
	}
	return DefaultGraceSeconds
}

// DNS is what goes into the containers' resolv.conf; nil in the spec means the engine's default.
type DNS struct {
	Nameservers []string `json:"nameservers,omitempty"`
	Searches    []string `json:"searches,omitempty"`
	Options     []string `json:"options,omitempty"`
}

// ContainerSpec is one container of the spec. Names are unique in a capsule, init containers included.
type ContainerSpec struct {
	// UUID is given by the server at creation (Zun: every inner container has a row and a UUID of its own).
	UUID            string            `json:"uuid,omitempty"`
	Name            string            `json:"name"`
	Image           string            `json:"image"`
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy"`
	// Definition counts how often the image was changed in place ([Spec.Adopt]). It is the server's: a container that was made of
	// an older one is made again.
	Definition int64 `json:"definition,omitempty"`
	// PullCredentials are tried one after another; with none the image is pulled without. They are shown to nobody.
	PullCredentials []Credential `json:"pullCredentials,omitempty"`
	// Command replaces the image's ENTRYPOINT, Args its CMD.
	Command []string `json:"command,omitempty"`
	Args    []string `json:"args,omitempty"`
	WorkDir string   `json:"workDir,omitempty"`
	Env     []EnvVar `json:"env,omitempty"`
	Ports   []Port   `json:"ports,omitempty"`
	// Resources: cpu, memory and ephemeral-storage as Kubernetes quantities; Zun's memory number means MiB and is
	// normalised on the way in.
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`
	// ResizePolicy says for cpu and memory whether a change needs another attempt; without it, it does not.
	ResizePolicy []corev1.ContainerResizePolicy `json:"resizePolicy,omitempty"`
	VolumeMounts []corev1.VolumeMount           `json:"volumeMounts,omitempty"`

	LivenessProbe   *corev1.Probe           `json:"livenessProbe,omitempty"`
	ReadinessProbe  *corev1.Probe           `json:"readinessProbe,omitempty"`
	StartupProbe    *corev1.Probe           `json:"startupProbe,omitempty"`
	Lifecycle       *corev1.Lifecycle       `json:"lifecycle,omitempty"`
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
	// TargetContainer of an ephemeral container is the one whose processes it sees; empty: its own only.
	TargetContainer string `json:"targetContainer,omitempty"`
	// RestartPolicy is the container's own; Always on an init container makes it a sidecar.
	RestartPolicy *corev1.ContainerRestartPolicy `json:"restartPolicy,omitempty"`
	// RestartPolicyRules go before RestartPolicy: the first that an exit code matches decides.
	RestartPolicyRules []corev1.ContainerRestartRule `json:"restartPolicyRules,omitempty"`

	TerminationMessagePath   string                          `json:"terminationMessagePath,omitempty"`
	TerminationMessagePolicy corev1.TerminationMessagePolicy `json:"terminationMessagePolicy,omitempty"`

	Stdin     bool              `json:"stdin,omitempty"`
	StdinOnce bool              `json:"stdinOnce,omitempty"`
	TTY       bool              `json:"tty,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// Credential is a login at a registry. It prints as nothing but where it is for.
type Credential struct {
	// Server is the registry's address as the one who gave the login wrote it.
	Server   string `json:"server,omitempty"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

// String hides the secret.
func (c Credential) String() string { return "login at " + c.Server }

// GoString hides the secret.
func (c Credential) GoString() string { return c.String() }

// Reference names a value that is known only when the capsule has a host and a sandbox; the agent fills it in.
type Reference string

// The references an environment variable may have.
const (
	RefCapsuleAddress   Reference = "capsule.address"
	RefCapsuleAddresses Reference = "capsule.addresses"
	RefHostAddress      Reference = "host.address"
	RefHostAddresses    Reference = "host.addresses"
)

// EnvVar is one variable. Value may refer to earlier variables as $(NAME), as in Kubernetes; $$ is a dollar.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	// Ref, when set, replaces Value.
	Ref Reference `json:"ref,omitempty"`
	// Literal: Value is final, $(NAME) in it stays as it is (a value that came from a ConfigMap or a Secret).
	Literal bool `json:"literal,omitempty"`
	// Sensitive values are shown to nobody: views print "***".
	Sensitive bool `json:"sensitive,omitempty"`
}

// Port is a port that a container listens on.
type Port struct {
	Name          string          `json:"name,omitempty"`
	ContainerPort int32           `json:"containerPort"`
	HostPort      int32           `json:"hostPort,omitempty"`
	HostIP        string          `json:"hostIP,omitempty"`
	Protocol      corev1.Protocol `json:"protocol,omitempty"`
	// Scope is the widest from where it shall be reached; empty is as wide as it is published.
	Scope Scope `json:"scope,omitempty"`
}

// Scope is from where a port is reached; each one holds the one before.
type Scope string

// The scopes, in the words of the Docker interface library.
const (
	ScopeHost     Scope = "host"     // the machine that it is on
	ScopeInternal Scope = "internal" // capsules of that machine, in a network that both are in
	ScopeCloud    Scope = "cloud"    // other hosts
	ScopePublic   Scope = "public"   // the world
)

var scopes = []Scope{ScopeHost, ScopeInternal, ScopeCloud, ScopePublic}

// Within says whether a scope is not wider than another, of which empty is the widest.
func (s Scope) Within(other Scope) bool {
	return other == "" || slices.Index(scopes, s) <= slices.Index(scopes, other)
}

// Volume is a named volume with exactly one source.
type Volume struct {
	Name     string                       `json:"name"`
	EmptyDir *corev1.EmptyDirVolumeSource `json:"emptyDir,omitempty"`
	HostPath *corev1.HostPathVolumeSource `json:"hostPath,omitempty"`
	Files    *FilesVolume                 `json:"files,omitempty"`
	// NFS is mounted by the host with MountOptions.
	NFS          *corev1.NFSVolumeSource `json:"nfs,omitempty"`
	MountOptions []string                `json:"mountOptions,omitempty"`
	// Local is a directory of the host that is there already and, unlike a HostPath, belongs to whoever mounts it: an
	// fsGroup owns what is in it.
	Local *corev1.LocalVolumeSource `json:"local,omitempty"`
	// ReadOnly: no container may write to it, whatever its mount says.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// FilesVolume is a volume whose content came with the template: what a ConfigMap, a Secret, a projected volume or the
// downward API was at that moment.
type FilesVolume struct {
	// Items are the files, paths unique.
	Items []File `json:"items"`
	// Sensitive content lives on tmpfs only and is shown to nobody.
	Sensitive bool `json:"sensitive,omitempty"`
}

// File is one file of a FilesVolume.
type File struct {
	// Path is relative to the volume, cleaned, without "..".
	Path string `json:"path"`
	// Content is base64 in JSON.
	Content []byte `json:"content"`
	// Mode is the permission bits; nil: 0644.
	Mode *int32 `json:"mode,omitempty"`
	// User owns the file; nil: root.
	User *int64 `json:"user,omitempty"`
}

// Container returns the spec of the container called name and whether it is an init container, or nil.
func (s *Spec) Container(name string) (c *ContainerSpec, init bool) {
	for i := range s.Containers {
		if s.Containers[i].Name == name {
			return &s.Containers[i], false
		}
	}
	for i := range s.InitContainers {
		if s.InitContainers[i].Name == name {
			return &s.InitContainers[i], true
		}
	}
	for i := range s.EphemeralContainers {
		if s.EphemeralContainers[i].Name == name {
			return &s.EphemeralContainers[i], false
		}
	}
	return nil, false
}

// AppArmor says whether one of the containers asks for an AppArmor profile to be enforced (kubelet:
// pkg/security/apparmor/validate.go).
func (s *Spec) AppArmor() bool {
	asked := func(p *corev1.AppArmorProfile) bool {
		return p != nil && p.Type != corev1.AppArmorProfileTypeUnconfined
	}
	if s.SecurityContext != nil && asked(s.SecurityContext.AppArmorProfile) {
		return true
	}
	for _, list := range [][]ContainerSpec{s.InitContainers, s.Containers, s.EphemeralContainers} {
		for i := range list {
			if sc := list[i].SecurityContext; sc != nil && asked(sc.AppArmorProfile) {
				return true
			}
		}
	}
	return false
}

// Ephemeral says whether name is that of an ephemeral container.
func (s *Spec) Ephemeral(name string) bool {
	for i := range s.EphemeralContainers {
		if s.EphemeralContainers[i].Name == name {
			return true
		}
	}
	return false
}
