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

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// unasked is how long the group of a container is remembered that nobody asks for.
const unasked = 5 * time.Minute

// group is where the figures of one container are: the paths of files, which are called after the container and go with it.
type group struct {
	pid                     int
	cpuV2, memoryV2         bool
	cpuUsage, cpuStat       string // v2 has both in cpuStat; without the v1 controller cpu there is no cpuStat
	memoryUsage, memoryStat string
	memorySwap              string // of v2; v1 has it in memoryStat
	diskV2                  bool
	diskBytes               string // empty without the controller
	asked                   time.Time
	slept                   capsule.Usage // the last reading of a sandbox; see [Near.Sandbox]
}

// group finds the files of the container, or remembers them. NotFound: the process is not the container's.
func (n *Near) group(id string, pid int) (*group, error) {
	now := time.Now()
	n.mu.Lock()
	g := n.known[id]
	if g != nil && g.pid == pid {
		g.asked = now
		n.mu.Unlock()
		return g, nil
	}
	n.mu.Unlock()
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	list, err := buf.all(n.proc(strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return nil, failed("find the control group", err)
	}
	if g, err = n.find(string(list), id); err != nil {
		return nil, err
	}
	g.pid, g.asked = pid, now
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string]*group{}
	}
	for other, old := range n.known {
		if now.Sub(old.asked) > unasked {
			delete(n.known, other)
		}
	}
	n.known[id] = g
	return g, nil
}

func (n *Near) forget(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, id)
}

// find reads a process' list of its groups.
func (n *Near) find(list, id string) (*group, error) {
	cpu, cpuV2, err := n.dir(list, "cpuacct", id)
	if err != nil {
		return nil, err
	}
	memory, memoryV2, err := n.dir(list, "memory", id)
	if err != nil {
		return nil, err
	}
	g := &group{cpuV2: cpuV2, memoryV2: memoryV2, memoryStat: filepath.Join(memory, "memory.stat")}
	if g.memoryUsage = filepath.Join(memory, "memory.usage_in_bytes"); memoryV2 {
		g.memoryUsage, g.memorySwap = filepath.Join(memory, "memory.current"), filepath.Join(memory, "memory.swap.current")
	}
	disk, diskV2, err := n.dir(list, "blkio", id)
	if err != nil {
		return nil, err
	}
	if g.diskV2 = diskV2; !diskV2 {
		g.diskBytes = filepath.Join(disk, "blkio.throttle.io_service_bytes_recursive")
	} else if memoryV2 { // else what is unified has no controllers
		g.diskBytes = filepath.Join(disk, "io.stat")
	}
	if cpuV2 {
		g.cpuStat = filepath.Join(cpu, "cpu.stat")
		return g, nil
	}
	g.cpuUsage = filepath.Join(cpu, "cpuacct.usage")
	// v1 keeps what is throttled in a hierarchy of its own, as far as there is one.
	throttled, unified, err := n.dir(list, "cpu", id)
	if err != nil {
		return nil, err
	}
	if !unified {
		g.cpuStat = filepath.Join(throttled, "cpu.stat")
	}
	return g, nil
}

// dir finds the directory of the container in the hierarchy of a v1 controller or, without that, in the unified one.
func (n *Near) dir(list, controller, id string) (dir string, v2 bool, err error) {
	root, unified := n.Cgroup, ""
	if root == "" {
		root = "/sys/fs/cgroup"
	}
	for line := range strings.Lines(list) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3) // hierarchy:controllers:path
		if len(parts) != 3 {
			continue
		}
		if parts[0] == "0" && parts[1] == "" {
			unified = parts[2]
		}
		if slices.Contains(strings.Split(parts[1], ","), controller) {
			dir, err = ofContainer(parts[2], id)
			return filepath.Join(root, controller, dir), false, err
		}
	}
	dir, err = ofContainer(unified, id)
	return filepath.Join(root, dir), true, err
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

// cpu reads the CPU time.
func (g *group) cpu(buf *buffer, u *capsule.Usage) (err error) {
	duration, unit := "throttled_usec", uint64(1000)
	if !g.cpuV2 {
		duration, unit = "throttled_time", 1
		if u.CPUNanos, err = buf.number(g.cpuUsage); err != nil || g.cpuStat == "" {
			return err
		}
	}
	data, err := buf.once(g.cpuStat)
	if err != nil {
		return err
	}
	stat := table(data, "nr_periods", "nr_throttled", duration, "usage_usec")
	if g.cpuV2 {
		u.CPUNanos = stat[3].n * 1000
	}
	if stat[0].ok { // else the kernel or the group does not count them
		u.Throttling = &capsule.Throttling{Periods: stat[0].n, Throttled: stat[1].n, Nanos: stat[2].n * unit}
	}
	return nil
}

// memory reads the memory.
func (g *group) memory(buf *buffer, u *capsule.Usage) (err error) {
	if u.MemoryBytes, err = buf.number(g.memoryUsage); err != nil {
		return err
	}
	names := runtime.MemoryV1
	if g.memoryV2 {
		names = runtime.MemoryV2
	}
	data, err := buf.once(g.memoryStat)
	if err != nil {
		return err
	}
	stat := table(data, names[:]...)
	u.WorkingSetBytes, u.RSSBytes, u.CacheBytes = less(u.MemoryBytes, stat[0].n), stat[1].n, stat[2].n
	u.MappedBytes, u.PageFaults, u.MajorPageFaults = stat[3].n, stat[4].n, stat[5].n
	if stat[6].ok {
		u.SwapBytes = &stat[6].n
	}
	if !g.memoryV2 {
		return nil
	}
	swap, err := buf.number(g.memorySwap)
	switch {
	case err == nil:
		u.SwapBytes = &swap
	case !errors.Is(err, fs.ErrNotExist): // the kernel does not count it
		return err
	}
	return nil
}
