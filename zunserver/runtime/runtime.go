// Package runtime is the border to a container host: the few operations that an agent needs of it, in capsule words.
//
// It has two implementations, runtime/docker (the Engine API) and runtime/fake (a host in memory that behaves), and
// runtimetest is the suite that both pass. No Docker type crosses this border.
//
// # What every implementation keeps
//
//   - The host describes itself: a container carries its identity in labels ([Identity]), so that a list is all that an
//     agent needs after a restart.
//   - Names are idempotency keys: Create of a name that exists answers an error of the class AlreadyExists and changes
//     nothing.
//   - A container is started once. Another attempt is another container, or asked for by name: [Control.Restart].
//   - Errors carry a class of github.com/containerd/errdefs: NotFound, AlreadyExists (name taken), InvalidArgument (the
//     configuration can never work), Unavailable (the host does not answer: try again), FailedPrecondition (wrong
//     state). Everything else is an unclassified failure of the operation itself.
//   - Every method honours its context.
package runtime

import (
	"context"
	"io"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Host is everything that an agent asks of one container host.
type Host interface {
	Containers
	Control
	Images
	Streams
	Volumes
	Networks
	Statistics
	// Close releases the connection. Containers go on.
	Close() error
}

// Containers creates, observes and ends containers. Implementations are safe for concurrent use.
type Containers interface {
	// Info describes the host. It is also the ping: an error of the class Unavailable means it does not answer.
	Info(ctx context.Context) (Info, error)
	// List returns every container that carries our labels of this instance, of one capsule when uuid is not empty,
	// in full detail and any state.
	List(ctx context.Context, uuid string) ([]Container, error)
	// Inspect returns one container by ID or name; NotFound when it is gone.
	Inspect(ctx context.Context, id string) (Container, error)
	// Create makes a container without starting it and returns its ID. The sandbox named in the configuration has to
	// exist, not to run. AlreadyExists: the name is taken; NotFound: the image is not there; FailedPrecondition: the
	// sandbox is not there. A sandbox without an image gets the implementation's own.
	Create(ctx context.Context, cfg ContainerConfig) (id string, err error)
	// Start starts a created container; nil if it runs already. FailedPrecondition: it has ended, or its sandbox does
	// not run; nothing was tried then. When the engine refuses the command (not found, not executable), the error is
	// not classified, and Inspect shows the container exited with that error and the exit code 127 or 126 or 128; an
	// engine that leaves no time of such an end gives CreatedAt.
	Start(ctx context.Context, id string) error
	// Stop sends the stop signal and, after grace, SIGKILL, and returns when the container has ended. Grace 0 kills at
	// once. Stopping what does not run is nil; NotFound when it is gone.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Remove deletes the container, by force if it runs, with its anonymous volumes; nil when it is gone already.
	Remove(ctx context.Context, id string) error
	// Update changes the limits of a container in place.
	Update(ctx context.Context, id string, r Resources) error
	// Events sends the changes of our containers until ctx ends or the stream breaks; the channel is closed then and
	// the caller subscribes again and lists. An event only says "look again": it may be late, doubled or lost.
	Events(ctx context.Context) (<-chan Event, error)
}

// Control does what the owner of a container asks for. Every method answers NotFound when the container is gone.
type Control interface {
	// Restart starts a container that has ended once more, in place: with its ID and with what it wrote. Nil if it runs
	// already. FailedPrecondition: it was never started, or its sandbox does not run. A start that the engine refuses leaves
	// it ended, and the error says why.
	Restart(ctx context.Context, id string) error
	// Pause freezes the processes of a running container, Unpause lets them go on. Nil when it is so already;
	// FailedPrecondition: it does not run.
	Pause(ctx context.Context, id string) error
	Unpause(ctx context.Context, id string) error
	// Kill sends a signal, by name or number, to the main process. InvalidArgument: there is no such signal;
	// FailedPrecondition: the container does not run.
	Kill(ctx context.Context, id, signal string) error
	// Processes lists what runs in a container, as ps does with the arguments given, or the engine's own when there are
	// none. FailedPrecondition: it does not run.
	Processes(ctx context.Context, id string, psArgs []string) (capsule.ProcessTable, error)
	// Commit makes an image of what a container is and wrote, under ref and with labels besides its own, and returns its
	// ID. The processes are frozen meanwhile. InvalidArgument: ref is no reference.
	Commit(ctx context.Context, id, ref string, labels map[string]string) (imageID string, err error)
}

// Images holds the images of the host.
type Images interface {
	// Image returns a local image by reference or ID; NotFound when it is not there.
	Image(ctx context.Context, ref string) (Image, error)
	// Pull fetches ref from its registry; progress, which may be nil, is called with short lines for people.
	// NotFound: the registry has no such image; PermissionDenied: credentials refused; InvalidArgument: not a
	// reference; Unavailable: the registry or the host does not answer.
	Pull(ctx context.Context, ref string, auth *RegistryAuth, progress func(string)) (Image, error)
	// Import makes an image of one layer out of a tar stream of its root file system, under ref.
	Import(ctx context.Context, ref string, rootfs io.Reader, cfg ImageConfig) (Image, error)
	// ListImages returns all images of the host.
	ListImages(ctx context.Context) ([]Image, error)
	// RemoveImage deletes a reference; nil when it is gone already.
	RemoveImage(ctx context.Context, ref string) error
}

// Streams reads from and runs in containers.
type Streams interface {
	// Logs copies the log of a container, also of one that has exited, until its end or, with Follow, until the
	// container ends or ctx does. With a TTY all goes to stdout.
	Logs(ctx context.Context, id string, opts capsule.LogOptions, stdout, stderr io.Writer) error
	// Exec runs a command in a running container and returns its exit code. Streams may be nil. When ctx ends, or a
	// stream fails, the command is ended as by the end of a terminal, SIGHUP and SIGKILL later, where the host can.
	Exec(ctx context.Context, id string, cfg ExecConfig) (exitCode int, err error)
	// Attach joins the main process of a running container: it copies the output from now on, and the input if the
	// container was made with Stdin, until the process or ctx ends. The end of the input is passed on to a process
	// with StdinOnce only. FailedPrecondition: it does not run.
	Attach(ctx context.Context, id string, s capsule.Session) error
	// CopyFrom returns a tar stream of path in the container, which need not run, and what is there. The caller closes it.
	CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, capsule.PathStat, error)
	// CopyTo unpacks a tar stream at path in the container.
	CopyTo(ctx context.Context, id, path string, tar io.Reader) error
}

// Volumes are file systems that the engine keeps, for hosts whose own directories are out of reach. A container mounts one with
// MountNamed.
type Volumes interface {
	// CreateVolume makes a volume and returns it; one of that name that exists is returned as it is.
	CreateVolume(ctx context.Context, cfg VolumeConfig) (Volume, error)
	// ListVolumes returns the volumes of a capsule of this instance.
	ListVolumes(ctx context.Context, uuid string) ([]Volume, error)
	// RemoveVolume deletes a volume and what is in it; nil when it is gone already. FailedPrecondition: a container has it.
	RemoveVolume(ctx context.Context, name string) error
}

// VolumeConfig is a volume to be made.
type VolumeConfig struct {
	Name string
	// Capsule is the UUID of the capsule that it belongs to.
	Capsule string
	// Memory: it is never on a disk, and is empty again when the last container that has it has ended; SizeBytes limits
	// it, 0 does not.
	Memory    bool
	SizeBytes int64
}

// Volume is a volume of the engine.
type Volume struct {
	Name string
	// Mountpoint is where it is on the host, as long as a container has it.
	Mountpoint string
}

// Statistics are what the engine counts.
type Statistics interface {
	// Stats returns what a running container uses and, of a sandbox with a network of its own, the interfaces. It may take
	// the engine more than a second. NotFound: it does not run.
	Stats(ctx context.Context, id string) (capsule.Usage, []capsule.Interface, error)
}

// Sizer is what a host may be able to do besides.
type Sizer interface {
	// WritableBytes is the size of what a container wrote into its root file system. It is dear: the engine walks the files.
	WritableBytes(ctx context.Context, id string) (int64, error)
}

// Info describes a host.
type Info struct {
	// ID is the engine's own identity: another ID at the same address is another host.
	ID            string
	Name          string
	CPUs          int
	MemoryBytes   int64
	Architecture  string // amd64, arm64 …: Go's words
	OSType        string
	OS            string
	KernelVersion string
	EngineName    string // docker
	EngineVersion string
	Runtimes      []string
	CgroupVersion string // "1" or "2"
	// AppArmor: profiles are enforced.
	AppArmor bool
	Labels   map[string]string
	// RootDir is the engine's data directory on the host.
	RootDir string
	// Near: this process shares the host's file system and network, so that directories can be bind-mounted and
	// container addresses dialled.
	Near bool
	// NoNegativeOOMScore: the engine may not set a negative oom_score_adj here.
	NoNegativeOOMScore bool
}

// Identity is what a container's labels say of it.
type Identity struct {
	// Instance is the capsulet installation it belongs to; others are not ours to touch.
	Instance string
	Capsule  string // UUID
	// CapsuleName is for people.
	CapsuleName string
	// Container is the name in the spec; empty for the sandbox.
	Container string
	Attempt   int
	// SandboxAttempt is the attempt of the sandbox that the container was created in.
	SandboxAttempt int
	// Made is the start of a standalone container that it was made for; 0 for others.
	Made int64
}

// Sandbox says whether the container is a sandbox.
func (i Identity) Sandbox() bool { return i.Container == "" }

// Container is one container as the host shows it.
type Container struct {
	ID       string
	Name     string
	Identity Identity
	State    capsule.State
	// Paused: it runs, and its processes are frozen.
	Paused bool
	// Pid is the main process as seen on the host, 0 when it does not run.
	Pid        int
	CreatedAt  time.Time
	StartedAt  time.Time
	FinishedAt time.Time
	ExitCode   int
	// OOM: exit 137 and the kernel killed for memory.
	OOM bool
	// Error is the engine's reason for not starting it.
	Error   string
	Image   string
	ImageID string
	// Addresses are of a sandbox with its own network, IPv4 first; Network is the name of the one that gave the first.
	Addresses []string
	Network   string
	// Networks are all that a sandbox is in, also one that does not run, Network first; without addresses unless it runs.
	Networks []capsule.Attachment
	// LogPath is the log file on the host where the engine keeps one.
	LogPath string
	// WritableDir is the directory on the host that has what the container wrote into its root file system, where the engine
	// keeps it in one.
	WritableDir string
}

// ContainerConfig is a container to be made. Everything that was relative or symbolic is resolved by now.
type ContainerConfig struct {
	Name     string
	Identity Identity
	// Labels are for people and tools, besides those of the identity.
	Labels map[string]string
	Image  string
	// Command replaces the image's ENTRYPOINT and CMD, Args replaces CMD.
	Command []string
	Args    []string
	WorkDir string
	// Env are NAME=value.
	Env []string

	// Sandbox is the ID or name of the container whose network and IPC namespaces are joined; empty for a sandbox.
	Sandbox  string
	SharePID bool // join the sandbox's PID namespace too
	// JoinPID is the ID of a container whose PID namespace is joined instead.
	JoinPID string
	HostPID bool
	HostIPC bool
	// Network of a sandbox: "" the engine's default bridge, "host", "none", or the name of a network. IPv4 and IPv6 are fixed
	// addresses in it.
	Network    string
	IPv4, IPv6 string
	Hostname   string
	DNS        *capsule.DNS
	Ports      []PortMapping
	Sysctls    map[string]string

	Mounts    []Mount
	Resources Resources
	// Inside: a sandbox that the program of package inside can be run in.
	Inside bool
	// OOMScoreAdj nil leaves the engine's default.
	OOMScoreAdj *int
	Security    Security

	Stdin, StdinOnce, TTY bool
	// StopSignal replaces the image's.
	StopSignal string
}

// PortMapping publishes a port of a sandbox on its host.
type PortMapping struct {
	ContainerPort int32
	HostPort      int32
	HostIP        string
	Protocol      string // tcp, udp, sctp
}

// MountKind says what is mounted.
type MountKind string

// The kinds of mounts.
const (
	MountBind  MountKind = "bind"  // Source is a path on the host
	MountTmpfs MountKind = "tmpfs" // SizeBytes limits it, 0 does not
	MountNamed MountKind = "named" // Source is the name of a volume of the engine
)

// Mount is one mount of a container.
type Mount struct {
	Kind        MountKind
	Source      string
	Target      string
	ReadOnly    bool
	Propagation string // "", rprivate, rslave, rshared
	SizeBytes   int64
	Mode        uint32
	// Make: the engine makes a directory where the Source of a bind is not there.
	Make bool
}

// Resources are cgroup limits; 0 is unlimited or the engine's default.
type Resources struct {
	CPUShares       int64
	CPUPeriodMicros int64
	CPUQuotaMicros  int64
	MemoryBytes     int64
	MemorySwapBytes int64
	PidsLimit       int64
	CPUSet          string
}

// Security is what the container may do.
type Security struct {
	// User is "uid", "uid:gid" or a name of the image; empty is the image's.
	User            string
	Groups          []string
	Privileged      bool
	CapAdd, CapDrop []string
	ReadOnlyRoot    bool
	NoNewPrivileges bool
	// Seccomp is "", "unconfined" or the JSON of a profile; AppArmor "" or a profile's name.
	Seccomp  string
	AppArmor string
	SELinux  []string
	// UnmaskProc removes the masked and read-only paths of /proc.
	UnmaskProc bool
	// Runtime is the engine's OCI runtime, empty its default.
	Runtime string
}

// Event says that something happened to one of our containers.
type Event struct {
	ID       string
	Identity Identity
	// Action is create, start, die, oom, pause, unpause or destroy.
	Action string
	At     time.Time
}

// ExecConfig is a command to run in a container.
type ExecConfig struct {
	Command []string
	Env     []string
	User    string
	WorkDir string
	TTY     bool
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Resize changes the size of the terminal while the command runs; nil for none.
	Resize <-chan TerminalSize
}

// TerminalSize is in characters.
type TerminalSize = capsule.TerminalSize
