// Package seen remembers how containers looked when they were inspected. While nothing happens to it, a running one and one
// that has ended look the same each time, and a list of states is enough to know which have to be looked at again. An event
// makes a container be forgotten, and a new subscription all of them.
package seen

import (
	"sync"

	"github.com/docker/docker/api/types/container"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Cache is for the containers of one engine. The zero value is empty. It is safe for concurrent use.
type Cache struct {
	mu sync.Mutex
	of map[string]sight // by ID
}

// sight is a container as it was inspected while the engine gave the state.
type sight struct {
	state     container.ContainerState
	container runtime.Container
}

// Put remembers a container that was inspected in a state.
func (c *Cache) Put(state container.ContainerState, of runtime.Container) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]sight{}
	}
	c.of[of.ID] = sight{state, of}
}

// Get returns what is known of a container in the state that the engine's list shows. Of one that is neither running nor
// has ended nothing is: a refused start leaves it created.
func (c *Cache) Get(id string, state container.ContainerState) (runtime.Container, bool) {
	if state != container.StateRunning && state != container.StateExited {
		return runtime.Container{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.of[id]
	return s.container, ok && s.state == state
}

// Keep forgets containers that are not in a complete list.
func (c *Cache) Keep(list []container.Summary) {
	there := make(map[string]bool, len(list))
	for _, s := range list {
		there[s.ID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.of {
		if !there[id] {
			delete(c.of, id)
		}
	}
}

// Clear forgets all containers.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.of)
}

// Forget drops a container that something happened to.
func (c *Cache) Forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, id)
}
