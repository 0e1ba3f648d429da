package convert

import (
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/storage"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

func TestInspected(t *testing.T) {
	const created, started, finished = "2026-11-20T10:00:00.5Z", "2026-11-20T10:00:01Z", "2026-11-20T10:00:02Z"
	const never = "0001-01-01T00:00:00Z"
	good := func() container.InspectResponse {
		return container.InspectResponse{
			ContainerJSONBase: &container.ContainerJSONBase{
				ID: "id", Name: "/name", Created: created, Image: "sha256:x", LogPath: "/log",
				GraphDriver: storage.DriverData{Name: "overlay2", Data: map[string]string{"UpperDir": "/upper"}},
				State:       &container.State{Status: "running", Running: true, Pid: 7, StartedAt: started, FinishedAt: never},
			},
			Config: &container.Config{Image: "x:1", Labels: runtime.Identity{Instance: "i", Capsule: "u"}.Labels()},
			NetworkSettings: &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{
				"blue": {IPAddress: "172.18.0.2", GlobalIPv6Address: "fd00::2"}, "zero": {IPAddress: "172.19.0.2"}, "off": {},
			}},
		}
	}
	tests := map[string]struct {
		mutate func(*container.InspectResponse)
		check  func(runtime.Container) bool
	}{
		"running": {func(*container.InspectResponse) {}, func(c runtime.Container) bool {
			return c.State == capsule.StateRunning && c.Pid == 7 && c.Name == "name" && c.Image == "x:1" && c.ImageID == "sha256:x" &&
				c.FinishedAt.IsZero() && c.LogPath == "/log" && c.WritableDir == "/upper" && c.Network == "blue" &&
				slices.Equal(c.Addresses, []string{"172.18.0.2", "172.19.0.2", "fd00::2"})
		}},
		"another storage driver": {func(r *container.InspectResponse) { r.GraphDriver.Name = "zfs" }, func(c runtime.Container) bool {
			return c.WritableDir == ""
		}},
		"not a sandbox": {func(r *container.InspectResponse) { r.Config.Labels[runtime.LabelContainer] = "app" }, func(c runtime.Container) bool {
			return c.Addresses == nil && c.Network == ""
		}},
		"paused": {func(r *container.InspectResponse) { r.State.Status = "paused" }, func(c runtime.Container) bool {
			return c.State == capsule.StateRunning
		}},
		"exited": {func(r *container.InspectResponse) {
			r.State = &container.State{Status: "exited", ExitCode: 3, StartedAt: started, FinishedAt: finished}
		}, func(c runtime.Container) bool {
			return c.State == capsule.StateExited && c.ExitCode == 3 && c.FinishedAt.Sub(c.StartedAt) == time.Second && !c.OOM
		}},
		"killed for memory": {func(r *container.InspectResponse) {
			r.State = &container.State{Status: "exited", ExitCode: 137, OOMKilled: true, FinishedAt: finished}
		}, func(c runtime.Container) bool { return c.OOM }},
		"a child was killed for memory": {func(r *container.InspectResponse) {
			r.State = &container.State{Status: "exited", ExitCode: 1, OOMKilled: true, FinishedAt: finished}
		}, func(c runtime.Container) bool { return !c.OOM }},
		"created": {func(r *container.InspectResponse) {
			r.State = &container.State{Status: "created", StartedAt: never, FinishedAt: never}
		}, func(c runtime.Container) bool { return c.State == capsule.StateCreated && c.FinishedAt.IsZero() }},
		"refused": {func(r *container.InspectResponse) {
			r.State = &container.State{Status: "created", ExitCode: 127, Error: "no such file", StartedAt: never, FinishedAt: never}
		}, func(c runtime.Container) bool {
			return c.State == capsule.StateExited && c.ExitCode == 127 && c.Error == "no such file" &&
				c.StartedAt.IsZero() && c.FinishedAt.Equal(c.CreatedAt)
		}},
		"being removed": {func(r *container.InspectResponse) { r.State.Status = "removing" }, func(c runtime.Container) bool {
			return c.State == capsule.StateExited
		}},
		"a new word": {func(r *container.InspectResponse) { r.State.Status = "dreaming" }, func(c runtime.Container) bool {
			return c.State == capsule.StateUnknown
		}},
	}
	for name, tt := range tests {
		r := good()
		tt.mutate(&r)
		if c := Inspected(r); !tt.check(c) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
