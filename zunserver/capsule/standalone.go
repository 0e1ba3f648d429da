package capsule

import (
	"slices"
	"time"
)

// Kind says what a record is, by the API that made it. All kinds are placed, run and reported alike.
type Kind string

// The kinds of records.
const (
	// KindCapsule is made from a template. Its containers live and die with it.
	KindCapsule Kind = ""
	// KindContainer is a container of Zun's container API with a sandbox of its own: exactly one container, whose UUID is
	// the record's.
	KindContainer Kind = "container"
	// KindSandbox is a sandbox that containers of the container API are put into and taken out of; it may have none.
	KindSandbox Kind = "sandbox"
)

// Standalone is what a container of the container API has besides its [ContainerSpec]: its owner starts, stops and pauses it,
// and its files outlive that. Containers of a capsule have none.
type Standalone struct {
	// Container is the name in the spec, which never changes.
	Container string `json:"container"`
	// Name is what its owner calls it now; need not be unique.
	Name string    `json:"name"`
	At   time.Time `json:"at,omitzero"` // creation
	Want Want      `json:"want"`

	// RestartPolicy is Docker's word: no, always, on-failure, unless-stopped; MaximumRetryCount of on-failure, 0 for no
	// bound (zun/api/controllers/v1/schemas/parameter_types.py, restart_policy).
	RestartPolicy     string `json:"restartPolicy,omitempty"`
	MaximumRetryCount int    `json:"maximumRetryCount,omitempty"`
	// Host is the only one that it may be on, if it was asked for.
	Host string `json:"host,omitempty"`
	// AutoRemove deletes it when it has ended.
	AutoRemove bool `json:"autoRemove,omitempty"`
	// The rest is kept and shown; what Zun does with it is in the API's documentation.
	AutoHeal       bool              `json:"autoHeal,omitempty"`
	DiskGiB        int64             `json:"diskGiB,omitempty"`
	CPUPolicy      string            `json:"cpuPolicy,omitempty"`
	ImageDriver    string            `json:"imageDriver,omitempty"`
	SecurityGroups []string          `json:"securityGroups,omitempty"`
	Healthcheck    map[string]string `json:"healthcheck,omitempty"`
	RegistryID     string            `json:"registryID,omitempty"`
}

// WantedState is what the owner of a container asked for last.
type WantedState string

// The states that can be asked for.
const (
	WantCreated WantedState = "created" // made, and not started yet
	WantRunning WantedState = "running" // started; what follows an end says the restart policy
	WantStopped WantedState = "stopped"
	WantPaused  WantedState = "paused"
)

// Want is the owner's last word on a container. The API writes it; the agent brings it about, level-triggered: it compares
// Want with the facts and never sees an action as such.
type Want struct {
	State WantedState `json:"state"`
	// Starts grows with every start, reboot and rebuild that is asked for: a run of an older number is ended, and one of this
	// number is started, once, whatever the restart policy says ([Run.Starts] says which one a run answers).
	Starts int64 `json:"starts,omitempty"`
	// Rebuild is the value of Starts from which on the engine's container is a new one, made from the image of the spec;
	// before, the same one is started again and its files stay.
	Rebuild int64 `json:"rebuild,omitempty"`
	// GraceSeconds is how long it gets to stop, from At on; nil is the spec's. An owner's kill is WantStopped with 0.
	GraceSeconds *int64    `json:"graceSeconds,omitempty"`
	At           time.Time `json:"at,omitzero"`
	// NoRestart suspends the restart policy until the next start: its owner has sent it the signal that stops it.
	NoRestart bool `json:"noRestart,omitempty"`
}

// Start asks for a start that nothing before has asked for.
func (w *Want) Start() { w.State, w.Starts, w.NoRestart = WantRunning, w.Starts+1, false }

// Same says whether the same is wanted, apart from when it was asked for.
func (w Want) Same(other Want) bool {
	grace := w.GraceSeconds == other.GraceSeconds || w.GraceSeconds != nil && other.GraceSeconds != nil && *w.GraceSeconds == *other.GraceSeconds
	w.GraceSeconds, other.GraceSeconds = nil, nil
	w.At, other.At = time.Time{}, time.Time{}
	return grace && w == other
}

// Up says whether it shall have been started.
func (w *Want) Up() bool { return w.State == WantRunning || w.State == WantPaused }

// Restarts says whether the policy has the container started again after r, a run that has ended while its owner wants it up.
// One that vanished from its host is made again with AutoHeal only.
func (s *Standalone) Restarts(r *Run) bool {
	if r.Lost {
		return s.AutoHeal
	}
	if s.Want.NoRestart {
		return false
	}
	switch s.RestartPolicy {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return r.ExitCode != 0 && (s.MaximumRetryCount == 0 || r.Restarts < s.MaximumRetryCount)
	default:
		return false
	}
}

// Starting says whether a start of the container called name in the spec was asked for and has not come about yet: who asks for one
// means that one.
func (c *Capsule) Starting(name string) bool {
	s, r := c.StandaloneOf(name), c.Facts.run(name)
	return s != nil && s.Want.Up() && (r == nil || r.State() == StateCreated || r.Starts < s.Want.Starts)
}

// Expired says whether the container called name in the spec has ended for good and is to be deleted because of that.
func (c *Capsule) Expired(name string) bool {
	s, r := c.StandaloneOf(name), c.Facts.run(name)
	switch {
	case s == nil || !s.AutoRemove || r.State() != StateExited || r.Made < s.Want.Rebuild:
		return false
	case s.Want.Up():
		return r.Starts >= s.Want.Starts && !s.Restarts(r)
	default:
		return s.Want.State == WantStopped
	}
}

// Guests are the names that owners gave to the containers which they have put into a capsule.
func (c *Capsule) Guests() (names []string) {
	if c.Kind == KindCapsule {
		for i := range c.Standalone {
			names = append(names, c.Standalone[i].Name)
		}
	}
	return names
}

// Admit adds the guests of the capsule, as they are, to a specification of what is its own.
func (c *Capsule) Admit(s *Spec) {
	for i := range c.Standalone {
		cs, _ := c.Spec.Container(c.Standalone[i].Container)
		if there, _ := s.Container(c.Standalone[i].Container); cs == nil || there != nil || c.Kind != KindCapsule {
			continue
		}
		s.Containers = append(s.Containers, *cs)
		for _, m := range cs.VolumeMounts { // only it has them
			if at := slices.IndexFunc(c.Spec.Volumes, func(v Volume) bool { return v.Name == m.Name }); at >= 0 {
				s.Volumes = append(s.Volumes, c.Spec.Volumes[at])
			}
		}
	}
}

// StandaloneOf is the entry of the container called name in the spec, or nil.
func (c *Capsule) StandaloneOf(name string) *Standalone {
	for i := range c.Standalone {
		if c.Standalone[i].Container == name {
			return &c.Standalone[i]
		}
	}
	return nil
}
