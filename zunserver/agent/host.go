package agent

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/store"
)

// watchHost pings the engine and keeps the host's record true until ctx ends.
func (a *Agent) watchHost(ctx context.Context, lease *store.HostLease) error {
	var last capsule.Host
	tick := time.NewTicker(a.cfg.Ping)
	defer tick.Stop()
	for {
		h := a.ping(ctx, last)
		if worth := h; !reflect.DeepEqual(withoutTime(worth), withoutTime(last)) || h.SeenAt.Sub(last.SeenAt) > 15*time.Second {
			h.Reports = last.Reports + 1
			if err := lease.Put(ctx, h); err != nil && ctx.Err() == nil {
				a.log.WithError(err).Warn("Cannot write the host's record")
			} else {
				last = h
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-a.changed:
		}
	}
}

func withoutTime(h capsule.Host) capsule.Host {
	h.SeenAt, h.Reports = time.Time{}, 0
	return h
}

// ping asks the engine once and returns the host's record.
func (a *Agent) ping(ctx context.Context, last capsule.Host) capsule.Host {
	once, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	info, err := a.cfg.Runtime.Info(once)
	now := time.Now().UTC().Truncate(time.Second)
	if err != nil {
		if ctx.Err() != nil {
			return last
		}
		a.setUp(false, runtime.Info{})
		h := last
		h.UUID, h.Name, h.Address, h.PublicAddress = hostUUID(a.cfg.Name), a.cfg.Name, a.cfg.Address, a.cfg.PublicAddress
		h.Labels, h.AvailabilityZone = a.cfg.Labels, a.cfg.AvailabilityZone
		if last.Up || last.Reason == "" {
			h.Since = now
		}
		h.Up, h.Reason = false, fmt.Sprintf("the container engine does not answer: %v", err)
		return h
	}
	a.setUp(true, info)
	h := capsule.Host{
		UUID: hostUUID(a.cfg.Name), Name: a.cfg.Name, Address: a.cfg.Address, PublicAddress: a.cfg.PublicAddress, Labels: a.cfg.Labels,
		AvailabilityZone: a.cfg.AvailabilityZone, CPUs: info.CPUs, MemoryBytes: info.MemoryBytes,
		Architecture: info.Architecture, OSType: info.OSType, OS: info.OS, KernelVersion: info.KernelVersion,
		EngineName: info.EngineName, EngineVersion: info.EngineVersion, Runtimes: info.Runtimes,
		CgroupVersion: info.CgroupVersion, AppArmor: info.AppArmor, Up: true, Since: last.Since, SeenAt: now,
	}
	if !last.Up {
		h.Since = now
	}
	a.disk(&h, info)
	return h
}

// hostUUID is stable for a name.
func hostUUID(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceDNS, []byte("capsulet/host/"+name)).String()
}

func (a *Agent) setUp(up bool, info runtime.Info) {
	a.mu.Lock()
	before := a.up
	a.up = up
	if up {
		a.info = info
	}
	a.mu.Unlock()
	switch {
	case up && !before:
		a.log.WithField("engine", info.EngineVersion).Info("Container engine answers")
		a.wakeAll()
	case !up && before:
		a.log.Warn("Container engine does not answer; capsules stay as they are")
	}
}

func (a *Agent) isUp() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.up
}

func (a *Agent) hostInfo() runtime.Info {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.info
}

// suspect makes the engine be asked now instead of at the next ping.
func (a *Agent) suspect() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}
