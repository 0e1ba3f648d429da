package seen_test

import (
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker/seen"
)

func TestCache(t *testing.T) {
	var c seen.Cache
	knows := func(id string, state container.ContainerState, want bool) {
		t.Helper()
		if got, ok := c.Get(id, state); ok != want || ok && got.ID != id {
			t.Errorf("%s %s: %+v, %t", id, state, got, ok)
		}
	}
	knows("a", container.StateRunning, false)
	c.Put(container.StateRunning, runtime.Container{ID: "a"})
	c.Put(container.StateExited, runtime.Container{ID: "b"})
	c.Put(container.StateCreated, runtime.Container{ID: "new"})
	knows("a", container.StateRunning, true)
	knows("a", container.StateExited, false) // it has ended since
	knows("b", container.StateExited, true)
	knows("new", container.StateCreated, false)
	c.Keep([]container.Summary{{ID: "a"}})
	knows("b", container.StateExited, false)
	c.Forget("a")
	knows("a", container.StateRunning, false)
}
