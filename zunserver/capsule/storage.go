package capsule

import "time"

// Storage is what a capsule takes of disks, as far as it can be measured: that costs more than reading counters, and is done
// less often.
type Storage struct {
	At time.Time `json:"at"`
	// Containers are those that run, by name.
	Containers map[string]ContainerStorage `json:"containers,omitempty"`
	// Volumes are in the order of the specification.
	Volumes []VolumeStorage `json:"volumes,omitempty"`
}

// ContainerStorage is what a container takes, in bytes: of its writable layer and of its logs. Zero is what is not known.
type ContainerStorage struct {
	WritableBytes uint64 `json:"writableBytes"`
	LogBytes      uint64 `json:"logBytes"`
}

// VolumeStorage is what is in a volume, and of the file system that it is on; zero is what is not known.
type VolumeStorage struct {
	Name           string `json:"name"`
	UsedBytes      uint64 `json:"usedBytes"`
	CapacityBytes  uint64 `json:"capacityBytes,omitempty"`
	AvailableBytes uint64 `json:"availableBytes,omitempty"`
	Inodes         uint64 `json:"inodes,omitempty"`
	InodesFree     uint64 `json:"inodesFree,omitempty"`
	// Ephemeral: it is on the disk of the host, and the capsule's own. Others are in memory, or somebody else's.
	Ephemeral bool `json:"ephemeral,omitempty"`
}

// EphemeralBytes is what goes with the capsule: what a limit of ephemeral storage is about.
func (s *Storage) EphemeralBytes() (sum uint64) {
	for _, c := range s.Containers {
		sum += c.WritableBytes + c.LogBytes
	}
	for i := range s.Volumes {
		if s.Volumes[i].Ephemeral {
			sum += s.Volumes[i].UsedBytes
		}
	}
	return sum
}
