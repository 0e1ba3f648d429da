package capsule

import (
	"cmp"
	"time"
)

// Host is one Docker host as its agent describes it. The record lives as long as the agent's lease: a host without a
// living agent has no record and gets no new capsule.
type Host struct {
	// UUID is derived from the name and stable.
	UUID string `json:"uuid"`
	// Name is the configured name of the host, the engine's own by default.
	Name    string `json:"name"`
	Address string `json:"address"`
	// PublicAddress is where the world reaches the host, if it does.
	PublicAddress    string            `json:"publicAddress,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	AvailabilityZone string            `json:"availabilityZone,omitempty"`

	CPUs          int      `json:"cpus"`
	MemoryBytes   int64    `json:"memoryBytes"`
	DiskBytes     int64    `json:"diskBytes,omitempty"`
	DiskFreeBytes int64    `json:"diskFreeBytes,omitempty"`
	Architecture  string   `json:"architecture"`
	OSType        string   `json:"osType"`
	OS            string   `json:"os"`
	KernelVersion string   `json:"kernelVersion"`
	EngineVersion string   `json:"engineVersion"`
	EngineName    string   `json:"engineName"`
	Runtimes      []string `json:"runtimes,omitempty"`
	CgroupVersion string   `json:"cgroupVersion,omitempty"`
	// AppArmor: the host enforces AppArmor profiles.
	AppArmor bool `json:"appArmor,omitempty"`

	// Up: the engine answers its agent. Reason says what it does not, and Since when.
	Up     bool      `json:"up"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Disabled hosts keep their capsules and get no new one. Neither do those that were forced down.
	Disabled       bool   `json:"disabled,omitempty"`
	DisabledReason string `json:"disabledReason,omitempty"`
	ForcedDown     bool   `json:"forcedDown,omitempty"`
	// Reports is how often the agent has written the record since it began.
	Reports int64 `json:"reports,omitempty"`
	// SeenAt is when the engine last answered.
	SeenAt time.Time `json:"seenAt,omitzero"`

	// Revision is the store's, not part of the stored value.
	Revision int64 `json:"revision,omitempty"`
}

// DefaultZone is the availability zone of hosts that are in none by configuration (Zun: default_availability_zone).
const DefaultZone = "nova"

// Zone is the host's availability zone.
func (h *Host) Zone() string { return cmp.Or(h.AvailabilityZone, DefaultZone) }

// Service is what operators said of a host: Zun's service zun-compute there (zun/objects/zun_service.py). The record outlives
// the host's.
type Service struct {
	Host string `json:"host"`
	// CreatedAt is when the host was first served.
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	// Zone is where the host was when it was last configured.
	Zone           string `json:"zone,omitempty"`
	Disabled       bool   `json:"disabled,omitempty"`
	DisabledReason string `json:"disabledReason,omitempty"`
	ForcedDown     bool   `json:"forcedDown,omitempty"`
}

// Serve takes over what operators said of the host.
func (h *Host) Serve(s Service) {
	h.Disabled, h.DisabledReason, h.ForcedDown = s.Disabled, s.DisabledReason, s.ForcedDown
}
