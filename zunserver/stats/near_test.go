package stats_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/stats"
)

const id = "c0269ea14448cc4cb37c13b0d1cf3dae71b337d72a41bcbc4bb5a3cd1ac48bee"

// tree writes files below a new directory and reads there.
func tree(t *testing.T, files map[string]string) *stats.Near {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &stats.Near{Proc: filepath.Join(root, "proc"), Cgroup: filepath.Join(root, "cgroup")}
}

const disksOf = "   8       0 sda 12 0 99 1\n   8       1 sda1 1 2 3\n"

func v1() map[string]string {
	return map[string]string{
		"proc/7/cgroup": "5:blkio:/docker/" + id + "\n4:memory:/docker/" + id + "\n2:cpu,cpuacct:/docker/" + id + "\n1:name=systemd:/docker/" + id + "\n0::/docker/" + id + "\n",
		"cgroup/cpuacct/docker/" + id + "/cpuacct.usage":                           "26465775\n",
		"cgroup/cpu/docker/" + id + "/cpu.stat":                                    "nr_periods 5\nnr_throttled 2\nthrottled_time 3000\n",
		"cgroup/memory/docker/" + id + "/memory.usage_in_bytes":                    "6791168\n",
		"cgroup/memory/docker/" + id + "/memory.stat":                              "inactive_file 1\nrss 2\ntotal_rss 1003520\ntotal_inactive_file 5373952\ntotal_cache 9\ntotal_mapped_file 8\ntotal_pgfault 7\ntotal_pgmajfault 6\ntotal_swap 5\n",
		"cgroup/blkio/docker/" + id + "/blkio.throttle.io_service_bytes_recursive": "8:0 Read 11\n8:0 Write 12\n8:0 Sync 1\n8:0 Total 24\n7:1 Read 0\n9:9 Read 5\nTotal 29\n",
		"proc/diskstats": disksOf,
	}
}

func v2() map[string]string {
	return map[string]string{
		"proc/7/cgroup": "0::/system.slice/docker-" + id + ".scope/init.scope\n",
		"cgroup/system.slice/docker-" + id + ".scope/cpu.stat":            "usage_usec 26465\nuser_usec 1\nnr_periods 5\nnr_throttled 2\nthrottled_usec 3\n",
		"cgroup/system.slice/docker-" + id + ".scope/memory.current":      "6791168\n",
		"cgroup/system.slice/docker-" + id + ".scope/memory.stat":         "anon 1003520\nfile 9\ninactive_file 5373952\nfile_mapped 8\npgfault 7\npgmajfault 6\n",
		"cgroup/system.slice/docker-" + id + ".scope/memory.swap.current": "5\n",
		"cgroup/system.slice/docker-" + id + ".scope/io.stat":             "8:0 rbytes=11 wbytes=12 rios=1 wios=1 dbytes=0 dios=0\n7:1 \n9:9 rbytes=5 wbytes=0\n",
		"proc/diskstats": disksOf,
	}
}

func TestContainer(t *testing.T) {
	swap := uint64(5)
	for _, c := range []struct {
		name   string
		files  map[string]string
		change func(map[string]string)
		cpu    uint64
		gone   bool
	}{
		{"v1", v1(), func(map[string]string) {}, 26465775, false},
		{"v2", v2(), func(map[string]string) {}, 26465000, false},
		{"v1, pid of another", v1(), func(f map[string]string) { f["proc/7/cgroup"] = "4:memory:/\n2:cpuacct:/\n0::/\n" }, 0, true},
		{"v2, pid of another", v2(), func(f map[string]string) { f["proc/7/cgroup"] = "0::/user.slice\n" }, 0, true},
		{"no process", v2(), func(f map[string]string) { delete(f, "proc/7/cgroup") }, 0, true},
		{"group is gone", v1(), func(f map[string]string) { delete(f, "cgroup/memory/docker/"+id+"/memory.stat") }, 0, true},
	} {
		c.change(c.files)
		got, err := tree(t, c.files).Container(id, 7)
		if c.gone {
			if !errdefs.IsNotFound(err) {
				t.Errorf("%s: %v, want NotFound", c.name, err)
			}
			continue
		}
		want := capsule.Usage{At: got.At, CPUNanos: c.cpu, MemoryBytes: 6791168, WorkingSetBytes: 6791168 - 5373952, RSSBytes: 1003520,
			CacheBytes: 9, MappedBytes: 8, PageFaults: 7, MajorPageFaults: 6, SwapBytes: &swap, Throttling: &capsule.Throttling{Periods: 5, Throttled: 2, Nanos: 3000},
			Disks: []capsule.Disk{{Device: "sda", ReadBytes: 11, WriteBytes: 12}, {Device: "9:9", ReadBytes: 5}}}
		if err != nil || !reflect.DeepEqual(got, want) || time.Since(got.At) > time.Minute {
			t.Errorf("%s: %+v %v, want %+v", c.name, got, err, want)
		}
	}
	for name, files := range map[string]map[string]string{"v1": v1(), "v2": v2()} {
		for file := range files {
			if strings.Contains(file, "io.stat") || strings.Contains(file, "/blkio") {
				delete(files, file)
			}
		}
		if got, err := tree(t, files).Container(id, 7); err != nil || got.Disks != nil {
			t.Errorf("%s without figures of disks: %+v %v", name, got, err)
		}
	}
	unswapped := v2()
	delete(unswapped, "cgroup/system.slice/docker-"+id+".scope/memory.swap.current")
	if got, err := tree(t, unswapped).Container(id, 7); err != nil || got.SwapBytes != nil || got.RSSBytes == 0 {
		t.Errorf("v2 of a kernel that does not count swap: %+v %v", got, err)
	}
	files := v1()
	files["cgroup/cpuacct/docker/"+id+"/cpuacct.usage"] = "many"
	if _, err := tree(t, files).Container(id, 7); err == nil || errdefs.IsNotFound(err) {
		t.Errorf("no number: %v", err)
	}
}

// TestContainerIsRemembered: where the files are is asked of the process once, and again when they are gone or it is another.
func TestContainerIsRemembered(t *testing.T) {
	for name, files := range map[string]map[string]string{"v1": v1(), "v2": v2()} {
		n := tree(t, files)
		if _, err := n.Container(id, 7); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		list := filepath.Join(n.Proc, "7", "cgroup")
		if err := os.Remove(list); err != nil {
			t.Fatal(err)
		}
		if u, err := n.Container(id, 7); err != nil || u.MemoryBytes != 6791168 {
			t.Errorf("%s: second time: %+v %v", name, u, err)
		}
		if _, err := n.Container(id, 8); !errdefs.IsNotFound(err) {
			t.Errorf("%s: another process, which is not there: %v", name, err)
		}
		hidden := n.Cgroup + "-hidden"
		if err := os.Rename(n.Cgroup, hidden); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Container(id, 7); !errdefs.IsNotFound(err) {
			t.Errorf("%s: group is gone: %v", name, err)
		}
		if err := os.Rename(hidden, n.Cgroup); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Container(id, 7); !errdefs.IsNotFound(err) {
			t.Errorf("%s: remembered after it was gone: %v", name, err)
		}
		if err := os.WriteFile(list, []byte(files["proc/7/cgroup"]), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Container(id, 7); err != nil {
			t.Errorf("%s: the process is there again: %v", name, err)
		}
	}
}

// TestSandbox: what sleeps is looked at every ten seconds.
func TestSandbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tree(t, v1())
		usage := filepath.Join(n.Cgroup, "memory/docker", id, "memory.usage_in_bytes")
		looks := func(want uint64) {
			t.Helper()
			if u, err := n.Sandbox(id, 7); err != nil || u.MemoryBytes != want || !u.At.Equal(time.Now()) || len(u.Disks) != 2 {
				t.Errorf("%+v %v, want %d bytes", u, err, want)
			}
		}
		looks(6791168)
		if err := os.WriteFile(usage, []byte("9000000\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		looks(6791168)
		if u, err := n.Container(id, 7); err != nil || u.MemoryBytes != 9000000 {
			t.Errorf("as a container: %+v %v", u, err)
		}
		time.Sleep(time.Second)
		looks(9000000)
		time.Sleep(time.Second)
		if _, err := n.Sandbox(id, 8); !errdefs.IsNotFound(err) {
			t.Errorf("another process, which is not there: %v", err)
		}
	})
}

func TestNetwork(t *testing.T) {
	n := tree(t, map[string]string{"proc/7/net/dev": `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       9       9    0    0    0     0          0         0        9       9    0    0    0     0       0          0
  eth0:     516       6    1    4    0     0          0         0       77       2    3    5    0     0       0          0
`})
	got, err := n.Network(id, 7)
	want := []capsule.Interface{{Name: "eth0", RxBytes: 516, RxPackets: 6, RxErrors: 1, RxDropped: 4,
		TxBytes: 77, TxPackets: 2, TxErrors: 3, TxDropped: 5}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	if _, err := n.Network(id, 8); !errdefs.IsNotFound(err) {
		t.Errorf("no process: %v", err)
	}
	if _, err := tree(t, map[string]string{"proc/7/net/dev": "eth0: 1 2 3 four 5 6 7 8 9 10 11 12\n"}).Network(id, 7); err == nil {
		t.Error("what is no number is one")
	}
}

func TestHost(t *testing.T) {
	got, err := tree(t, map[string]string{
		"proc/stat":    "cpu  100 1 50 9999 88 2 3 4 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\nbtime 1700000000\n",
		"proc/meminfo": "MemTotal:       1000 kB\nMemFree:         400 kB\nCached:           50 kB\nInactive(file):  100 kB\nAnonPages:       300 kB\nMapped: 7 kB\nSwapTotal: 9 kB\nSwapFree: 5 kB\n",
	}).Host()
	swap := uint64(4 << 10)
	want := capsule.HostStats{StartedAt: time.Unix(1700000000, 0), Usage: capsule.Usage{At: got.At,
		CPUNanos: 160e7, MemoryBytes: 600 << 10, WorkingSetBytes: 500 << 10, RSSBytes: 300 << 10, CacheBytes: 50 << 10, MappedBytes: 7 << 10, SwapBytes: &swap}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	if h, err := (&stats.Near{}).Host(); err != nil || h.CPUNanos == 0 || h.WorkingSetBytes == 0 || h.StartedAt.IsZero() {
		t.Errorf("this machine: %+v %v", h, err)
	}
}
