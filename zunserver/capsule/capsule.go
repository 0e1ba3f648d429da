package capsule

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Capsule is the record of one capsule: what was asked, where it lives, what was seen of it.
type Capsule struct {
	// UUID identifies the capsule. The client may choose it (Metadata.UID of the template), which makes creation
	// idempotent; names need not be unique (Zun: db/sqlalchemy/models.py, Container.name).
	UUID string `json:"uuid"`
	// Kind says what the record is.
	Kind Kind `json:"kind,omitempty"`
	// Project and User own the capsule; a project sees its own.
	Project string `json:"project"`
	User    string `json:"user"`

	Spec Spec `json:"spec"`
	// Standalone has one entry for each container of the container API, none for those of a capsule.
	Standalone []Standalone `json:"standalone,omitempty"`
	CreatedAt  time.Time    `json:"createdAt"`
	Deletion   *Deletion    `json:"deletion,omitempty"`
	Claim      Claim        `json:"claim"`
	Facts      Facts        `json:"facts"`
	// Body is set when the capsule has taken over the realisation of a new revision: see [Capsule.BodyID].
	Body string `json:"body,omitempty"`
	// Upgrade is a new revision that is under way, or the last one that failed; nil when the last change was taken over.
	Upgrade *Upgrade `json:"upgrade,omitempty"`
	// Of is the UUID of the capsule that a record of [KindSuccessor] belongs to.
	Of string `json:"of,omitempty"`

	// Revision is the store's: it grows with every write of any capsule. It is not part of the stored value.
	Revision int64 `json:"revision,omitempty"`
}

// Deletion says that the capsule shall go.
type Deletion struct {
	At time.Time `json:"at"`
	// GraceSeconds counts from At; 0 kills at once. A later delete may shorten it, never lengthen it.
	GraceSeconds int64 `json:"graceSeconds"`
	// Force gives the capsule up when its host has been away for long: the record goes, and what is left of the capsule
	// on the host goes when the host is back. Once asked for it stays.
	Force bool `json:"force,omitempty"`
}

// Deadline is when containers that still run are killed.
func (d Deletion) Deadline() time.Time { return d.At.Add(time.Duration(d.GraceSeconds) * time.Second) }

// Claim is the scheduler's word on where the capsule lives.
type Claim struct {
	// Host is the name of the claimed host, empty while none is.
	Host string `json:"host,omitempty"`
	// Reason says why no host could be claimed: every filter's explanation, for people.
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
	// Away is the last time that the host was away for long, since the claim.
	Away *Away `json:"away,omitempty"`
}

// Away is a time in which nobody knew how the capsule was.
type Away struct {
	Since time.Time `json:"since"`
	// Until is when the host was back; zero while it is away.
	Until time.Time `json:"until,omitzero"`
	// Message says for people what is away.
	Message string `json:"message"`
}

// Lost says why nobody knows how the capsule is; empty when its host answers.
func (c *Claim) Lost() string {
	if c.Away == nil || !c.Away.Until.IsZero() {
		return ""
	}
	return c.Away.Message
}

// Facts is what the agent saw. The zero value is "nothing seen yet".
type Facts struct {
	Sandbox Sandbox `json:"sandbox"`
	// Containers has one entry for each container of the spec that was looked at, init containers included,
	// in the order of the spec (init containers first).
	Containers []ContainerFacts `json:"containers,omitempty"`
	// StartedAt is when the agent first took the capsule up (Kubernetes: status.startTime).
	StartedAt time.Time `json:"startedAt,omitzero"`
	// StoppedAt is set when a deletion was asked and no container runs any more: the facts are final then.
	StoppedAt time.Time `json:"stoppedAt,omitzero"`
	// End, when set, is why the capsule as a whole was ended by the server (DeadlineExceeded, Evicted).
	End *End `json:"end,omitempty"`
	// Failure is what keeps the sandbox from coming up; it goes when the cause goes.
	Failure *Failure `json:"failure,omitempty"`
	// HostAddress is the address of the host as other hosts reach it.
	HostAddress string `json:"hostAddress,omitempty"`
}

// End is why the server itself ended the capsule.
type End struct {
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// Sandbox is the container that holds the capsule's namespaces.
type Sandbox struct {
	ID string `json:"id,omitempty"`
	// Attempt counts sandboxes of this capsule from 0; a dead sandbox is replaced, never restarted.
	Attempt int `json:"attempt,omitempty"`
	// Ready is true while the sandbox runs.
	Ready     bool      `json:"ready,omitempty"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	// Addresses are the capsule's own, IPv4 before IPv6; those of the host for a capsule in the host's network.
	Addresses []string `json:"addresses,omitempty"`
	// Network is the name of the engine's network that gave the first address.
	Network string `json:"network,omitempty"`
	// Networks are all that the sandbox is in; none for a capsule in the host's network.
	Networks []Attachment `json:"networks,omitempty"`
}

// ContainerFacts is what was seen of one container of the spec over all its attempts.
type ContainerFacts struct {
	Name string `json:"name"`
	Init bool   `json:"init,omitempty"`
	// Ephemeral containers come last.
	Ephemeral bool `json:"ephemeral,omitempty"`
	// Run is the newest attempt, nil before the first was created. Last is the newest finished attempt before Run.
	Run  *Run `json:"run,omitempty"`
	Last *Run `json:"last,omitempty"`
	// Started and Ready are of Run: the start-up probe has passed (or there is none and it runs); the readiness
	// probe passes (or there is none and it is started).
	Started bool `json:"started,omitempty"`
	Ready   bool `json:"ready,omitempty"`
	// ReadyAt is when Ready last changed (Kubernetes: the Ready condition's transition time, which a Deployment's
	// minReadySeconds counts from).
	ReadyAt time.Time `json:"readyAt,omitzero"`
	// BackOffSeconds is how long after the end of Run the next attempt waits: 0, then 10 doubling to 300
	// (kubelet: kuberuntime_manager.go doBackOff). It is 0 again after a run of more than ten minutes.
	BackOffSeconds int64 `json:"backOffSeconds,omitempty"`
	// Starting is the start of a standalone container that its next run will answer ([Want]). It is written before the engine
	// is asked, so that a run is never taken for the answer to a wish that came later.
	Starting int64 `json:"starting,omitempty"`
	// Failure is what keeps the next attempt from being created or started; nil when nothing does.
	Failure *Failure `json:"failure,omitempty"`
	// Definition is the [ContainerSpec.Definition] that BackOffSeconds and Failure are of: another one has a clean slate.
	Definition int64 `json:"definition,omitempty"`
	// Pull is how the newest attempt came by its image.
	Pull *Pull `json:"pull,omitempty"`
	// Unhealthy has the newest failure of each kind of probe of Run, written now and then: see ProbeFailure.
	Unhealthy []ProbeFailure `json:"unhealthy,omitempty"`
	// Hook is the newest failure of a lifecycle hook.
	Hook *HookFailure `json:"hook,omitempty"`
}

// Pull is one way to an image.
type Pull struct {
	StartedAt time.Time `json:"startedAt"`
	// FinishedAt is zero while the image is on its way, or when it did not come.
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	SizeBytes  int64     `json:"sizeBytes,omitempty"`
	// Present: the image was on the host, nothing was fetched.
	Present bool `json:"present,omitempty"`
}

// ProbeFailure is the newest failure of one kind of probe. A probe that goes on failing writes no more than one of them
// in ten seconds.
type ProbeFailure struct {
	// Kind is Startup, Liveness or Readiness.
	Kind string `json:"kind"`
	// RunID is the attempt that was probed.
	RunID   string    `json:"runID"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
	// Count is the number of failures of this run so far.
	Count int `json:"count"`
}

// HookFailure is a lifecycle hook that failed.
type HookFailure struct {
	// Kind is PostStart or PreStop.
	Kind    string    `json:"kind"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// Stopping is why an attempt is being ended while its capsule goes on.
type Stopping struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	// Redefined: the container's definition has changed, and whatever its restart policy says it is made again.
	Redefined bool `json:"redefined,omitempty"`
}

// Run is one attempt of a container: one engine container, never restarted. That of a standalone container is started again in
// place, which is another run under the same ID and Attempt, and one that was made and not started yet is a run too.
type Run struct {
	ID      string `json:"id"`
	Attempt int    `json:"attempt"`
	// SandboxAttempt is the sandbox it was created in.
	SandboxAttempt int       `json:"sandboxAttempt,omitempty"`
	Image          string    `json:"image,omitempty"`
	ImageID        string    `json:"imageID,omitempty"`
	CreatedAt      time.Time `json:"createdAt,omitzero"`
	StartedAt      time.Time `json:"startedAt,omitzero"`
	FinishedAt     time.Time `json:"finishedAt,omitzero"`
	// ExitCode has meaning once FinishedAt is set: 128+n for a signal n.
	ExitCode int `json:"exitCode,omitempty"`
	// OOM: the kernel killed the container's main process for memory (exit 137 and the engine says so).
	OOM bool `json:"oom,omitempty"`
	// Error is the engine's reason for refusing to start it.
	Error string `json:"error,omitempty"`
	// Message is the termination message.
	Message string `json:"message,omitempty"`
	// Lost: the container vanished before its end was seen; ExitCode is 137 by convention (kubelet:
	// ContainerStatusUnknown).
	Lost bool `json:"lost,omitempty"`
	// Starts is the start of a standalone container that the run answers, Made the one that its engine container was made for:
	// see [Want]. For a container of a capsule Made is the [ContainerSpec.Definition] that it was made of.
	Starts int64 `json:"starts,omitempty"`
	Made   int64 `json:"made,omitempty"`
	// Restarts is how often the restart policy had it started again since (Docker: RestartCount).
	Restarts int `json:"restarts,omitempty"`
	// Paused: its processes are frozen.
	Paused bool `json:"paused,omitempty"`
	// Stopping is set when the agent ends the attempt because of its probes, or because of another definition.
	Stopping *Stopping `json:"stopping,omitempty"`
	// Resources are what the engine was last given for it; nil when that is not known.
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Redefined says whether the attempt is being ended, or was, because its container has another definition now.
func (r *Run) Redefined() bool { return r != nil && r.Stopping != nil && r.Stopping.Redefined }

// State is the container's state as the engine sees it.
type State string

// The states of a container: Kubernetes CRI's (runtime.v1 ContainerState).
const (
	StateCreated State = "created"
	StateRunning State = "running"
	StateExited  State = "exited"
	StateUnknown State = "unknown"
)

// State derives the state of the attempt.
func (r *Run) State() State {
	switch {
	case r == nil:
		return StateUnknown
	case !r.FinishedAt.IsZero():
		return StateExited
	case !r.StartedAt.IsZero():
		return StateRunning
	default:
		return StateCreated
	}
}

// FailureKind says which operation keeps failing.
type FailureKind string

// The operations that are retried with a back-off.
const (
	FailedSandbox FailureKind = "sandbox"
	FailedNetwork FailureKind = "network" // of a sandbox that runs
	FailedVolume  FailureKind = "volume"
	FailedConfig  FailureKind = "config"
	FailedPull    FailureKind = "pull"
	FailedCreate  FailureKind = "create"
	FailedStart   FailureKind = "start"
	FailedResize  FailureKind = "resize"
	FailedPause   FailureKind = "pause"
)

// Failure is an operation that failed and will be tried again.
type Failure struct {
	Kind FailureKind `json:"kind"`
	// Reason refines the kind where Kubernetes has a word for it (ErrImageNeverPull, InvalidImageName); else empty.
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
	// Count is the number of failures in a row, from 1.
	Count int `json:"count"`
	// RetryAt is when it is tried again.
	RetryAt time.Time `json:"retryAt,omitzero"`
	// BackingOff is false while the failure is fresh (ErrImagePull) and true once the wait was planned
	// (ImagePullBackOff).
	BackingOff bool `json:"backingOff,omitempty"`
}

// Container returns the facts of the container called name, or nil.
func (f *Facts) Container(name string) *ContainerFacts {
	for i := range f.Containers {
		if f.Containers[i].Name == name {
			return &f.Containers[i]
		}
	}
	return nil
}
