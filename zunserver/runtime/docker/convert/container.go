package convert

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Inspected translates what the engine says of a container.
func Inspected(r container.InspectResponse) runtime.Container {
	out := runtime.Container{
		ID: r.ID, Name: strings.TrimPrefix(r.Name, "/"), CreatedAt: parseTime(r.Created), ImageID: r.Image, LogPath: r.LogPath,
		State: capsule.StateUnknown,
	}
	if g := r.GraphDriver; g.Name == "overlay2" || g.Name == "fuse-overlayfs" {
		out.WritableDir = g.Data["UpperDir"]
	}
	if r.Config != nil {
		out.Identity, out.Image = runtime.IdentityOf(r.Config.Labels), r.Config.Image
	}
	if r.State == nil {
		return out
	}
	if out.Identity.Sandbox() {
		out.Networks = attachments(r)
	}
	out.StartedAt, out.FinishedAt = parseTime(r.State.StartedAt), parseTime(r.State.FinishedAt)
	out.State = State(r.State)
	switch out.State {
	case capsule.StateRunning:
		out.Pid, out.Paused = r.State.Pid, r.State.Paused
		out.FinishedAt = time.Time{}
		if out.Identity.Sandbox() {
			out.Network, out.Addresses = addresses(out.Networks)
		}
	case capsule.StateExited:
		out.ExitCode, out.Error = r.State.ExitCode, r.State.Error
		// The flag alone is also set when only a child was killed.
		out.OOM = r.State.OOMKilled && out.ExitCode == 137
		if out.FinishedAt.IsZero() {
			// A refused start leaves no time; the creation is the nearest that stays the same each time it is asked.
			out.FinishedAt = out.CreatedAt
		}
	}
	return out
}

// State is the state of a container; a start that was refused is an end.
func State(s *container.State) capsule.State {
	switch s.Status {
	case container.StateCreated:
		if s.Error != "" {
			return capsule.StateExited // the start was refused
		}
		return capsule.StateCreated
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return capsule.StateRunning
	case container.StateExited, container.StateDead, container.StateRemoving:
		return capsule.StateExited
	default:
		return capsule.StateUnknown
	}
}

func valid(address string) bool {
	_, err := netip.ParseAddr(address)
	return err == nil
}

func isV6(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Is6()
}

// parseTime reads the engine's times; its zero ("0001-01-01T00:00:00Z") and what cannot be read are the zero time.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Event translates a change of a container.
func Event(m events.Message) runtime.Event {
	return runtime.Event{
		ID:       m.Actor.ID,
		Identity: runtime.IdentityOf(m.Actor.Attributes),
		Action:   string(m.Action),
		At:       time.Unix(0, m.TimeNano),
	}
}

// Image translates what the engine says of an image.
func Image(r image.InspectResponse) runtime.Image {
	out := runtime.Image{
		ID: r.ID, Tags: r.RepoTags, Digests: r.RepoDigests, SizeBytes: r.Size, CreatedAt: parseTime(r.Created),
	}
	if c := r.Config; c != nil {
		out.User, out.WorkDir, out.Env = c.User, c.WorkingDir, c.Env
		out.Entrypoint, out.Cmd, out.StopSignal, out.Labels = c.Entrypoint, c.Cmd, c.StopSignal, c.Labels
		out.Volumes = slices.Sorted(maps.Keys(c.Volumes))
		out.ExposePorts = slices.Sorted(maps.Keys(c.ExposedPorts))
	}
	return out
}
