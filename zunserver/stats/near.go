package stats

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// userHZ is the unit of CPU times in /proc/stat, the same on every Linux.
const userHZ = 100

// Near reads of a host that shares this process' kernel. The zero value reads /proc and /sys/fs/cgroup. It remembers where the
// files of a container are for as long as they are there and asked for. It is safe for concurrent use.
type Near struct {
	Proc, Cgroup string

	mu    sync.Mutex
	known map[string]*group // by container ID

	devices devices
}

func (n *Near) proc(name ...string) string {
	return filepath.Join(append([]string{cmp.Or(n.Proc, "/proc")}, name...)...)
}

// Container returns what the container uses whose main process is pid; the rate is not set. NotFound: it has ended.
func (n *Near) Container(id string, pid int) (capsule.Usage, error) {
	g, err := n.group(id, pid)
	if err != nil {
		return capsule.Usage{}, err
	}
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	u := capsule.Usage{At: time.Now()}
	if err = g.cpu(buf, &u); err != nil {
		err = failed("read the CPU time", err)
	} else if err = g.memory(buf, &u); err != nil {
		err = failed("read the memory", err)
	} else if err = g.disks(buf, &u); err != nil {
		err = failed("read the I/O", err)
	}
	for i := range u.Disks {
		u.Disks[i].Device = n.devices.name(u.Disks[i].Device, n.proc("diskstats"))
	}
	if errdefs.IsNotFound(err) {
		n.forget(id)
	}
	return u, err
}

// asleep is how long the figures of a sandbox stand for.
const asleep = 10 * time.Second

// Sandbox is Container of a sandbox, whose process only sleeps. What it uses is not read every time: it is half of the files.
func (n *Near) Sandbox(id string, pid int) (capsule.Usage, error) {
	g, err := n.group(id, pid)
	if err != nil {
		return capsule.Usage{}, err
	}
	n.mu.Lock()
	u := g.slept
	n.mu.Unlock()
	if now := time.Now(); now.Sub(u.At) < asleep {
		u.At = now
		return u, nil
	}
	if u, err = n.Container(id, pid); err != nil {
		return u, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	g.slept = u
	return u, nil
}

// Network returns the interfaces of the process but the loopback.
func (n *Near) Network(_ string, pid int) ([]capsule.Interface, error) {
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	data, err := buf.all(n.proc(strconv.Itoa(pid), "net", "dev"))
	if err != nil {
		return nil, failed("read the network", err)
	}
	var list []capsule.Interface
	for line := range bytes.Lines(data) {
		name, counters, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimSpace(name)
		if !ok || string(name) == "lo" {
			continue // the head of the table
		}
		i := capsule.Interface{Name: string(name)}
		at := 0
		for field := range bytes.FieldsSeq(counters) {
			var into *uint64
			switch at {
			case 0:
				into = &i.RxBytes
			case 1:
				into = &i.RxPackets
			case 2:
				into = &i.RxErrors
			case 3:
				into = &i.RxDropped
			case 8:
				into = &i.TxBytes
			case 9:
				into = &i.TxPackets
			case 10:
				into = &i.TxErrors
			case 11:
				into = &i.TxDropped
			}
			if into != nil {
				if *into, ok = digits(field); !ok {
					return nil, fmt.Errorf("read the network: %q of interface %s is no number", field, name)
				}
			}
			at++
		}
		if at >= 12 {
			list = append(list, i)
		}
	}
	return list, nil
}

// Host returns what the whole host uses and when it was booted; name and rate are not set.
func (n *Near) Host() (capsule.HostStats, error) {
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	stat, err := buf.all(n.proc("stat"))
	if err != nil {
		return capsule.HostStats{}, failed("read the host's CPU time", err)
	}
	cpu := string(stat) // before what is next in the buffer
	meminfo, err := buf.all(n.proc("meminfo"))
	if err != nil {
		return capsule.HostStats{}, failed("read the host's memory", err)
	}
	return host(cpu, meminfo)
}

// host reads the kernel's files of the whole host.
func host(stat string, meminfo []byte) (capsule.HostStats, error) {
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
	m := table(meminfo, "MemTotal:", "MemFree:", "Inactive(file):", "AnonPages:", "Cached:", "Mapped:", "SwapTotal:", "SwapFree:")
	h.MemoryBytes = less(m[0].n, m[1].n) << 10
	h.WorkingSetBytes, h.RSSBytes, h.CacheBytes = less(h.MemoryBytes, m[2].n<<10), m[3].n<<10, m[4].n<<10
	h.MappedBytes = m[5].n << 10
	if m[6].ok {
		swap := less(m[6].n, m[7].n) << 10
		h.SwapBytes = &swap
	}
	return h, nil
}

// less is a difference of figures that were not read at one moment.
func less(a, b uint64) uint64 { return a - min(a, b) }
