package convert

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Engines answer with the counters of the control groups that they have.
func TestStats(t *testing.T) {
	for name, answer := range map[string]string{
		"v1": `{"read":"2026-01-01T10:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":7},"throttling_data":{"periods":3,"throttled_periods":2,"throttled_time":1}},
			"memory_stats":{"usage":100,"stats":{"total_inactive_file":30,"total_rss":20,"total_cache":40,"inactive_file":1}},
			"blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"Read","value":11},{"major":8,"minor":0,"op":"Write","value":12},{"major":8,"minor":0,"op":"Total","value":23}]},
			"networks":{"eth0":{"rx_bytes":1,"rx_packets":2,"rx_errors":3,"rx_dropped":4,"tx_bytes":5,"tx_packets":6,"tx_errors":7,"tx_dropped":8}}}`,
		"v2": `{"read":"2026-01-01T10:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":7},"throttling_data":{"periods":3,"throttled_periods":2,"throttled_time":1}},
			"memory_stats":{"usage":100,"stats":{"inactive_file":30,"anon":20,"file":40}},
			"blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"read","value":11},{"major":8,"minor":0,"op":"write","value":12}]},
			"networks":{"eth0":{"rx_bytes":1,"rx_packets":2,"rx_errors":3,"rx_dropped":4,"tx_bytes":5,"tx_packets":6,"tx_errors":7,"tx_dropped":8}}}`,
	} {
		var r container.StatsResponse
		if err := json.Unmarshal([]byte(answer), &r); err != nil {
			t.Fatal(err)
		}
		u, networks := Stats(r)
		if u.CPUNanos != 7 || u.MemoryBytes != 100 || u.WorkingSetBytes != 70 || u.RSSBytes != 20 || u.CacheBytes != 40 ||
			u.At.IsZero() || u.Throttling == nil || *u.Throttling != (capsule.Throttling{Periods: 3, Throttled: 2, Nanos: 1}) {
			t.Errorf("%s: %+v", name, u)
		}
		if want := []capsule.Disk{{Device: "8:0", ReadBytes: 11, WriteBytes: 12}}; !reflect.DeepEqual(u.Disks, want) {
			t.Errorf("%s: %+v", name, u.Disks)
		}
		if want := []capsule.Interface{{Name: "eth0", RxBytes: 1, RxPackets: 2, RxErrors: 3, RxDropped: 4,
			TxBytes: 5, TxPackets: 6, TxErrors: 7, TxDropped: 8}}; !reflect.DeepEqual(networks, want) {
			t.Errorf("%s: %+v", name, networks)
		}
	}
	if u, networks := Stats(container.StatsResponse{}); u.WorkingSetBytes != 0 || u.Throttling != nil || u.Disks != nil || networks != nil {
		t.Errorf("nothing: %+v, %+v", u, networks)
	}
}
