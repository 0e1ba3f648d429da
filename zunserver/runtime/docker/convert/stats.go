package convert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Stats translates a reading of what a container uses, of either version of control groups; at is when it was taken.
func Stats(r container.StatsResponse) (capsule.Usage, []capsule.Interface) {
	m := r.MemoryStats
	names := runtime.MemoryV1
	if _, v1 := m.Stats[names[0]]; !v1 {
		names = runtime.MemoryV2
	}
	u := capsule.Usage{
		At: r.Read, CPUNanos: r.CPUStats.CPUUsage.TotalUsage, MemoryBytes: m.Usage,
		WorkingSetBytes: m.Usage - min(m.Usage, m.Stats[names[0]]), RSSBytes: m.Stats[names[1]], CacheBytes: m.Stats[names[2]],
		MappedBytes: m.Stats[names[3]], PageFaults: m.Stats[names[4]], MajorPageFaults: m.Stats[names[5]],
	}
	if swap, ok := m.Stats[names[6]]; ok { // of v2 the engine does not tell
		u.SwapBytes = &swap
	}
	if th := r.CPUStats.ThrottlingData; th.Periods > 0 {
		u.Throttling = &capsule.Throttling{Periods: th.Periods, Throttled: th.ThrottledPeriods, Nanos: th.ThrottledTime}
	}
	addDisks(&u, r.BlkioStats.IoServiceBytesRecursive)
	var list []capsule.Interface
	for _, name := range slices.Sorted(maps.Keys(r.Networks)) {
		n := r.Networks[name]
		list = append(list, capsule.Interface{
			Name: name, RxBytes: n.RxBytes, RxPackets: n.RxPackets, RxErrors: n.RxErrors, RxDropped: n.RxDropped,
			TxBytes: n.TxBytes, TxPackets: n.TxPackets, TxErrors: n.TxErrors, TxDropped: n.TxDropped,
		})
	}
	return u, list
}

// addDisks takes what an engine has line by line; it does not tell the names of the devices.
func addDisks(u *capsule.Usage, lines []container.BlkioStatEntry) {
	for _, l := range lines {
		d := capsule.Disk{Device: fmt.Sprintf("%d:%d", l.Major, l.Minor)}
		switch strings.ToLower(l.Op) { // v1 has capitals, and Sync, Async, Discard and Total besides
		case "read":
			d.ReadBytes = l.Value
		case "write":
			d.WriteBytes = l.Value
		}
		if d.ReadBytes > 0 || d.WriteBytes > 0 {
			u.AddDisk(d)
		}
	}
}
