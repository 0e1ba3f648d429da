package capsule

import (
	"slices"
	"time"
)

// Usage is what processes use, read at one moment.
type Usage struct {
	At time.Time `json:"at"`
	// CPUNanos is the CPU time used so far. It only grows.
	CPUNanos uint64 `json:"cpuNanos"`
	// CPUNanoCores is the CPU time per second between the last two readings; nil before there were two.
	CPUNanoCores *uint64 `json:"cpuNanoCores,omitempty"`
	MemoryBytes  uint64  `json:"memoryBytes"`
	// WorkingSetBytes is the memory without what the kernel can take back at once; RSSBytes is of processes alone, CacheBytes
	// of files.
	WorkingSetBytes uint64 `json:"workingSetBytes"`
	RSSBytes        uint64 `json:"rssBytes"`
	CacheBytes      uint64 `json:"cacheBytes,omitempty"`
	MappedBytes     uint64 `json:"mappedBytes,omitempty"`
	// PageFaults and the major ones among them, for which a disk was read, are counted since the container was started. They
	// are not known of a host.
	PageFaults      uint64 `json:"pageFaults,omitempty"`
	MajorPageFaults uint64 `json:"majorPageFaults,omitempty"`
	// SwapBytes is what is on disks in place of memory; nil when it is not known.
	SwapBytes *uint64 `json:"swapBytes,omitempty"`
	// Throttling is how a limit of CPU time was felt; nil when it is not known.
	Throttling *Throttling `json:"throttling,omitempty"`
	// Disks are those that it read from or wrote to, past the kernel's cache; none when that is not known.
	Disks []Disk `json:"disks,omitempty"`
}

// Disk counts what was read from and written to a block device. It only grows.
type Disk struct {
	// Device is the kernel's name, such as sda, or MAJOR:MINOR where that is not to be found out.
	Device     string `json:"device"`
	ReadBytes  uint64 `json:"readBytes"`
	WriteBytes uint64 `json:"writeBytes"`
}

// Throttling counts the periods of a limit of CPU time. All of it only grows.
type Throttling struct {
	Periods   uint64 `json:"periods"`
	Throttled uint64 `json:"throttled"` // so many of the periods
	Nanos     uint64 `json:"nanos"`     // for so long altogether
}

// Add adds what another uses. The rate is known when that of both is; throttling is of one and has no sum.
func (u *Usage) Add(other Usage) {
	if other.At.After(u.At) {
		u.At = other.At
	}
	if u.CPUNanoCores != nil && other.CPUNanoCores != nil {
		sum := *u.CPUNanoCores + *other.CPUNanoCores
		u.CPUNanoCores = &sum
	} else {
		u.CPUNanoCores = nil
	}
	u.CPUNanos += other.CPUNanos
	u.MemoryBytes += other.MemoryBytes
	u.WorkingSetBytes += other.WorkingSetBytes
	u.RSSBytes += other.RSSBytes
	u.CacheBytes += other.CacheBytes
	u.MappedBytes += other.MappedBytes
	u.PageFaults += other.PageFaults
	u.MajorPageFaults += other.MajorPageFaults
	if u.SwapBytes != nil && other.SwapBytes != nil {
		sum := *u.SwapBytes + *other.SwapBytes
		u.SwapBytes = &sum
	} else {
		u.SwapBytes = nil
	}
	u.Throttling = nil
	u.Disks = slices.Clone(u.Disks) // whoever read it may have it still
	for _, d := range other.Disks {
		u.AddDisk(d)
	}
}

// AddDisk adds to what is counted of that device; Disks belongs to the caller.
func (u *Usage) AddDisk(d Disk) {
	i := slices.IndexFunc(u.Disks, func(of Disk) bool { return of.Device == d.Device })
	if i < 0 {
		u.Disks = append(u.Disks, d)
		return
	}
	u.Disks[i].ReadBytes += d.ReadBytes
	u.Disks[i].WriteBytes += d.WriteBytes
}

// DiskBytes is what went from and to all disks together.
func (u *Usage) DiskBytes() (read, written uint64) {
	for _, d := range u.Disks {
		read, written = read+d.ReadBytes, written+d.WriteBytes
	}
	return read, written
}

// Interface is what went over a network interface since it was made.
type Interface struct {
	Name      string `json:"name"`
	RxBytes   uint64 `json:"rxBytes"`
	RxPackets uint64 `json:"rxPackets"`
	RxErrors  uint64 `json:"rxErrors"`
	RxDropped uint64 `json:"rxDropped"`
	TxBytes   uint64 `json:"txBytes"`
	TxPackets uint64 `json:"txPackets"`
	TxErrors  uint64 `json:"txErrors"`
	TxDropped uint64 `json:"txDropped"`
}

// ContainerStats is the usage of a container that runs.
type ContainerStats struct {
	Name      string    `json:"name"`
	StartedAt time.Time `json:"startedAt"`
	Usage
}

// Stats is the usage of a capsule that runs: all of it, with its sandbox and with the CPU time of the containers that were
// seen to end, and of each container, in the order of the specification.
type Stats struct {
	UUID      string    `json:"uuid"`
	StartedAt time.Time `json:"startedAt"`
	Usage
	Containers []ContainerStats `json:"containers"`
	// Network has no loopback, and nothing for a capsule in the network of its host.
	Network []Interface `json:"network,omitempty"`
	// Probes are counted while the capsule is on its host, over all attempts of its containers.
	Probes []ProbeCount `json:"probes,omitempty"`
	// Storage is nil before it was measured, which is done for those who ask for statistics again and again.
	Storage *Storage `json:"storage,omitempty"`
}

// ProbeCount is how often a probe of a container passed and failed.
type ProbeCount struct {
	Container string `json:"container"`
	// Kind is Startup, Liveness or Readiness.
	Kind      string `json:"kind"`
	Successes uint64 `json:"successes"`
	Failures  uint64 `json:"failures"`
}

// HostStats is the usage of a whole host. StartedAt is when it booted.
type HostStats struct {
	Name      string    `json:"name"`
	StartedAt time.Time `json:"startedAt"`
	Usage
}

// StatsReport is what a server can tell of all capsules at once.
type StatsReport struct {
	Capsules []Stats     `json:"capsules"`
	Hosts    []HostStats `json:"hosts,omitempty"`
	// Incomplete are the hosts of which something could not be read.
	Incomplete []string `json:"incomplete,omitempty"`
}
