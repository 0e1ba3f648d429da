package stats

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/inside"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

const (
	// roundEvery is how old readings may be: a scrape of every capsule is one round, and so is the next one soon after.
	roundEvery = 10 * time.Second
	// readers is how many readings are taken at a time. Engines before 28 take them from one collector that ticks once a
	// second, whoever waits for it.
	readers = 16
	// roundTimeout bounds a round, readTimeout one reading.
	roundTimeout, readTimeout = 30 * time.Second, 5 * time.Second
)

// FarHost is what [Far] asks of a host.
type FarHost interface {
	runtime.Containers
	runtime.Streams
	runtime.Statistics
}

// Far asks the engine of a host whose kernel is not this process' own. One round reads every container of ours, for all who
// ask; nobody asking, nothing is read. Make it with NewFar.
type Far struct {
	host FarHost

	round sync.Mutex // held by the one who reads; the others wait and find it read
	mu    sync.Mutex
	at    time.Time
	of    map[string]reading // by container
	all   capsule.HostStats
	allAt time.Time
}

type reading struct {
	usage    capsule.Usage
	networks []capsule.Interface
}

// NewFar returns the meter of a far host.
func NewFar(host FarHost) *Far { return &Far{host: host, of: map[string]reading{}} }

// Container returns what a container uses, as of the last round.
func (f *Far) Container(id string, _ int) (capsule.Usage, error) {
	r, err := f.read(id)
	return r.usage, err
}

// Network returns the interfaces of a sandbox.
func (f *Far) Network(id string, _ int) ([]capsule.Interface, error) {
	r, err := f.read(id)
	return r.networks, err
}

// known returns a reading that is new enough, and whether the last round is.
func (f *Far) known(id string) (r reading, have, fresh bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh = time.Since(f.at) < roundEvery
	r, have = f.of[id]
	return r, have, fresh
}

func (f *Far) read(id string) (reading, error) {
	if r, have, fresh := f.known(id); have && fresh {
		return r, nil
	}
	f.round.Lock()
	defer f.round.Unlock()
	r, have, fresh := f.known(id)
	if have && fresh {
		return r, nil
	}
	if !fresh {
		if err := f.readAll(); err != nil {
			return r, err
		}
		if r, have, _ = f.known(id); have {
			return r, nil
		}
	}
	return f.readOne(id) // it was started since
}

// within is the context of a reading: nobody's own, because those who wait for it get it, too.
func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d) //nolint:forbidigo // no caller's end is the reading's
}

// readAll is one round.
func (f *Far) readAll() error {
	ctx, cancel := within(roundTimeout)
	defer cancel()
	list, err := f.host.List(ctx, "")
	if err != nil {
		return fmt.Errorf("list what to read: %w", err)
	}
	of := map[string]reading{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, c := range list {
		if c.State != capsule.StateRunning {
			continue
		}
		g.Go(func() error {
			usage, networks, err := f.host.Stats(ctx, c.ID)
			if errdefs.IsNotFound(err) {
				return nil // it has just ended
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			of[c.ID] = reading{usage, networks}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of, f.at = of, time.Now()
	return nil
}

func (f *Far) readOne(id string) (reading, error) {
	ctx, cancel := within(readTimeout)
	defer cancel()
	usage, networks, err := f.host.Stats(ctx, id)
	if err != nil {
		return reading{}, err
	}
	r := reading{usage, networks}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of[id] = r
	return r, nil
}

// Host returns what the whole host uses, which a program in any sandbox of it sees. NotImplemented: there is none.
func (f *Far) Host() (capsule.HostStats, error) {
	f.round.Lock()
	defer f.round.Unlock()
	f.mu.Lock()
	h, fresh := f.all, time.Since(f.allAt) < roundEvery
	f.mu.Unlock()
	if fresh {
		return h, nil
	}
	ctx, cancel := within(readTimeout)
	defer cancel()
	list, err := f.host.List(ctx, "")
	if err != nil {
		return h, fmt.Errorf("look for a sandbox: %w", err)
	}
	for _, c := range list {
		if c.Identity.Sandbox() && c.State == capsule.StateRunning {
			return f.readHost(ctx, c.ID)
		}
	}
	return h, fmt.Errorf("what a host that does not share capsulet's machine uses is seen from a sandbox, and none runs there: %w",
		errdefs.ErrNotImplemented)
}

func (f *Far) readHost(ctx context.Context, sandbox string) (capsule.HostStats, error) {
	const stat, meminfo = "/proc/stat", "/proc/meminfo"
	var out, said bytes.Buffer
	code, err := f.host.Exec(ctx, sandbox, runtime.ExecConfig{
		Command: []string{inside.Path, "read", stat, meminfo}, Stdout: &out, Stderr: &said,
	})
	if err == nil && code != 0 {
		err = fmt.Errorf("the program in the sandbox ended with %d: %s", code, strings.TrimSpace(said.String()))
	}
	if err != nil {
		return capsule.HostStats{}, fmt.Errorf("read the kernel's files: %w", err)
	}
	var files map[string][]byte
	if err := json.Unmarshal(out.Bytes(), &files); err != nil {
		return capsule.HostStats{}, fmt.Errorf("read the kernel's files: %w", err)
	}
	h, err := host(string(files[stat]), files[meminfo])
	if err != nil {
		return h, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all, f.allAt = h, time.Now()
	return h, nil
}
