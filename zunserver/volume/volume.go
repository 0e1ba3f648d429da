package volume

import (
	"context"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/volume/layout"
)

// Driver keeps the volumes of one host, and the other files that containers get from it. Implementations are safe for
// concurrent use for different capsules. The order for one capsule:
//
//	Prepare ─► the sandbox is made with SandboxMounts ─► it runs ─► Fill ─► a container starts
//	   └──────► mounts of containers: those of Prepare, SubPath, HostsMount, TerminationMount
//
// Errors of the class InvalidArgument: the volume can never be made as asked on this host. Unavailable: the sandbox does not
// run, or the host does not answer.
type Driver interface {
	// Prepare makes every volume of the capsule and returns how it is mounted, by name; Target is the caller's. It is
	// idempotent, brings the files of files volumes up to date in one step where that needs no sandbox, and keeps what is
	// in other volumes.
	Prepare(ctx context.Context, c *capsule.Capsule) (map[string]runtime.Mount, error)
	// SandboxMounts are what the sandbox has to mount so that Fill can do its work.
	SandboxMounts(c *capsule.Capsule) []runtime.Mount
	// Fill does what needs a running sandbox, before a container of it starts and when files have changed: it brings
	// files up to date and writes /etc/hosts. It is idempotent, and cheap when there is nothing to do.
	Fill(ctx context.Context, c *capsule.Capsule, s Sandbox) error
	// SubPath makes a part of a prepared volume something to mount; missing directories are made. It never leads out of
	// the volume. Each attempt of the container asks again. An error of the class [ErrMissingSubPath]: it was not there
	// and could not be made.
	SubPath(ctx context.Context, c *capsule.Capsule, s Sandbox, sub SubPath) (runtime.Mount, error)
	// HostsMount mounts the file that Fill writes as /etc/hosts; nothing where containers see it anyway.
	HostsMount(c *capsule.Capsule) ([]runtime.Mount, error)
	// TerminationMount mounts the file that one attempt of a container writes its last words to, open to every user.
	TerminationMount(ctx context.Context, c *capsule.Capsule, s Sandbox, container string, attempt int) (runtime.Mount, error)
	// TerminationMessage reads at most limit bytes of it after the container of this ID has ended; nothing when there is
	// nothing.
	TerminationMessage(ctx context.Context, c *capsule.Capsule, container string, attempt int, id string, limit int64) ([]byte, error)
	// Overfull says, in the kubelet's words (pkg/kubelet/eviction), which emptyDir of the capsule takes more of the disk
	// than its sizeLimit; empty when none does. Only capsules that are [Limited] are asked for.
	Overfull(ctx context.Context, c *capsule.Capsule) (string, error)
	// Used is what is in the volumes of the capsule, as far as it can be measured.
	Used(ctx context.Context, c *capsule.Capsule) ([]capsule.VolumeStorage, error)
	// Remove deletes the volumes of a capsule; nil when there are none.
	Remove(ctx context.Context, uuid string) error
}

// Sandbox is the sandbox of a capsule, as far as volumes need it.
type Sandbox struct {
	ID string
	// StartedAt tells apart its lives, if it is started again in place: what was in memory is gone then.
	StartedAt time.Time
	// Addresses are the capsule's as they are known; a driver that has to wait for the sandbox finds them itself.
	Addresses []string
	// Hosts makes the content of /etc/hosts around the host's own, which is there when own is true; nil: containers keep
	// the engine's.
	Hosts func(addresses []string) (before []byte, own bool, after []byte)
}

// SubPath is the part of a volume that one mount of a container asks for.
type SubPath struct {
	Container string
	// Index is that of the volume mount.
	Index int
	// Volume is how the whole volume is mounted.
	Volume runtime.Mount
	// Path is relative to the volume; "." is all of it.
	Path string
	// Recursive: what is mounted below it is read-only too.
	Recursive bool
}

// ErrMissingSubPath says that a subPath was not there and could not be made.
var ErrMissingSubPath = layout.ErrMissing
