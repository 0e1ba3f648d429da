package stats

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// userHZ is the unit of CPU times in /proc/stat, the same on every Linux.
const userHZ = 100

// Near reads of a host that shares this process' kernel. The zero value reads /proc and /sys/fs/cgroup. It is safe for
// concurrent use.
type Near struct{ Proc, Cgroup string }

func (n Near) proc(name ...string) string {
	root := n.Proc
	if root == "" {
		root = "/proc"
	}
	return filepath.Join(append([]string{root}, name...)...)
}

func (n Near) cgroup() string {
	if n.Cgroup == "" {
		return "/sys/fs/cgroup"
	}
	return n.Cgroup
}

// Container returns what the container uses whose main process is pid; the rate is not set. NotFound: it has ended.
func (n Near) Container(id string, pid int) (capsule.Usage, error) {
	u := capsule.Usage{At: time.Now()}
	groups, err := read(n.proc(strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return u, failed("find the control group", err)
	}
	dir, v2, err := n.group(string(groups), "cpuacct", id)
	if err != nil {
		return u, err
	}
	if v2 {
		var stat map[string]uint64
		stat, err = table(filepath.Join(dir, "cpu.stat"), "usage_usec", "nr_periods", "nr_throttled", "throttled_usec")
		u.CPUNanos, u.Throttling = stat["usage_usec"]*1000, throttling(stat, "throttled_usec", 1000)
	} else {
		u.CPUNanos, err = number(filepath.Join(dir, "cpuacct.usage"))
		if err == nil {
			u.Throttling, err = n.throttlingV1(string(groups), id)
		}
	}
	if err != nil {
		return u, failed("read the CPU time", err)
	}
	if dir, v2, err = n.group(string(groups), "memory", id); err != nil {
		return u, err
	}
	current, inactive, rss, cache := "memory.usage_in_bytes", "total_inactive_file", "total_rss", "total_cache"
	if v2 {
		current, inactive, rss, cache = "memory.current", "inactive_file", "anon", "file"
	}
	if u.MemoryBytes, err = number(filepath.Join(dir, current)); err != nil {
		return u, failed("read the memory", err)
	}
	stat, err := table(filepath.Join(dir, "memory.stat"), inactive, rss, cache)
	if err != nil {
		return u, failed("read the memory", err)
	}
	u.WorkingSetBytes, u.RSSBytes, u.CacheBytes = less(u.MemoryBytes, stat[inactive]), stat[rss], stat[cache]
	return u, nil
}

// throttlingV1 reads what v1 keeps in a hierarchy of its own, as far as there is one.
func (n Near) throttlingV1(groups, id string) (*capsule.Throttling, error) {
	dir, v2, err := n.group(groups, "cpu", id)
	if v2 || err != nil {
		return nil, err
	}
	stat, err := table(filepath.Join(dir, "cpu.stat"), "nr_periods", "nr_throttled", "throttled_time")
	return throttling(stat, "throttled_time", 1), err
}

// throttling is nil for a kernel or a group that does not count.
func throttling(stat map[string]uint64, duration string, unit uint64) *capsule.Throttling {
	if _, ok := stat["nr_periods"]; !ok {
		return nil
	}
	return &capsule.Throttling{Periods: stat["nr_periods"], Throttled: stat["nr_throttled"], Nanos: stat[duration] * unit}
}

// group finds the directory of the container in the hierarchy of a v1 controller or, without that, in the unified one.
func (n Near) group(groups, controller, id string) (dir string, v2 bool, err error) {
	unified := ""
	for _, line := range strings.Split(groups, "\n") {
		parts := strings.SplitN(line, ":", 3) // hierarchy:controllers:path
		if len(parts) != 3 {
			continue
		}
		if parts[0] == "0" && parts[1] == "" {
			unified = parts[2]
		}
		if slices.Contains(strings.Split(parts[1], ","), controller) {
			dir, err = ofContainer(parts[2], id)
			return filepath.Join(n.cgroup(), controller, dir), false, err
		}
	}
	dir, err = ofContainer(unified, id)
	return filepath.Join(n.cgroup(), dir), true, err
}

// ofContainer cuts a path after the group that is called after the container.
func ofContainer(path, id string) (string, error) {
	elements := strings.Split(path, "/")
	i := slices.IndexFunc(elements, func(e string) bool { return strings.Contains(e, id) })
	if id == "" || i < 0 {
		return "", fmt.Errorf("the process is not container %.12s: %w", id, errdefs.ErrNotFound)
	}
	return strings.Join(elements[:i+1], "/"), nil
}

// Network returns the interfaces of the process but the loopback.
func (n Near) Network(_ string, pid int) ([]capsule.Interface, error) {
	data, err := read(n.proc(strconv.Itoa(pid), "net", "dev"))
	if err != nil {
		return nil, failed("read the network", err)
	}
	var list []capsule.Interface
	for _, line := range strings.Split(string(data), "\n") {
		name, counters, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		f := strings.Fields(counters)
		if !ok || name == "lo" || len(f) < 12 {
			continue // the head of the table
		}
		i := capsule.Interface{Name: name}
		for at, into := range map[int]*uint64{0: &i.RxBytes, 1: &i.RxPackets, 2: &i.RxErrors, 3: &i.RxDropped,
			8: &i.TxBytes, 9: &i.TxPackets, 10: &i.TxErrors, 11: &i.TxDropped} {
			if *into, err = strconv.ParseUint(f[at], 10, 64); err != nil {
				return nil, fmt.Errorf("read the network: %w", err)
			}
		}
		list = append(list, i)
	}
	return list, nil
}

// Host returns what the whole host uses and when it was booted; name and rate are not set.
func (n Near) Host() (capsule.HostStats, error) {
	stat, err := read(n.proc("stat"))
	if err != nil {
		return capsule.HostStats{}, failed("read the host's CPU time", err)
	}
	meminfo, err := read(n.proc("meminfo"))
	if err != nil {
		return capsule.HostStats{}, failed("read the host's memory", err)
	}
	return host(string(stat), string(meminfo))
}

// host reads the kernel's files of the whole host.
func host(stat, meminfo string) (capsule.HostStats, error) {
	h := capsule.HostStats{Usage: capsule.Usage{At: time.Now()}}
	for _, line := range strings.Split(stat, "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) > 8 && f[0] == "cpu":
			for _, at := range []int{1, 2, 3, 6, 7, 8} { // user nice system, not idle iowait, irq softirq steal; guests are in user
				ticks, err := strconv.ParseUint(f[at], 10, 64)
				if err != nil {
					return h, fmt.Errorf("read the host's CPU time: %w", err)
				}
				h.CPUNanos += ticks * uint64(time.Second/userHZ)
			}
		case len(f) == 2 && f[0] == "btime":
			seconds, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return h, fmt.Errorf("read when the host was booted: %w", err)
			}
			h.StartedAt = time.Unix(seconds, 0)
		}
	}
	m := tableOf(meminfo, "MemTotal:", "MemFree:", "Inactive(file):", "AnonPages:", "Cached:")
	h.MemoryBytes = less(m["MemTotal:"], m["MemFree:"]) << 10
	h.WorkingSetBytes, h.RSSBytes = less(h.MemoryBytes, m["Inactive(file):"]<<10), m["AnonPages:"]<<10
	h.CacheBytes = m["Cached:"] << 10
	return h, nil
}

// read reads a file of the kernel. Package os would have the runtime try to wait for it and ask how long it is, which costs as
// much again as reading it, and there are hundreds of them.
func read(path string) ([]byte, error) {
	var fd int
	err := again(func() (err error) { fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); return err })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	data := make([]byte, 0, 4096)
	for {
		if len(data) == cap(data) {
			data = slices.Grow(data, len(data))
		}
		var n int
		err := again(func() (err error) { n, err = unix.Read(fd, data[len(data):cap(data)]); return err })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return data, nil
		}
		data = data[:len(data)+n]
	}
}

// again repeats what a signal interrupted.
func again(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// number reads a file of one number.
func number(path string) (uint64, error) {
	data, err := read(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
}

// table reads these of a file of names and numbers.
func table(path string, names ...string) (map[string]uint64, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return tableOf(string(data), names...), nil
}

// tableOf does not look at what nobody asks for: it is most of such a file, and there are many files.
func tableOf(data string, names ...string) map[string]uint64 {
	out := make(map[string]uint64, len(names))
	for line := range strings.Lines(data) {
		name, rest, _ := strings.Cut(line, " ")
		if !slices.Contains(names, name) {
			continue
		}
		if f := strings.Fields(rest); len(f) > 0 {
			if v, err := strconv.ParseUint(f[0], 10, 64); err == nil {
				out[name] = v
			}
		}
	}
	return out
}

// less is a difference of figures that were not read at one moment.
func less(a, b uint64) uint64 { return a - min(a, b) }

// failed gives the end of a process its class.
func failed(what string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%s: %w: %w", what, err, errdefs.ErrNotFound)
	}
	return fmt.Errorf("%s: %w", what, err)
}
