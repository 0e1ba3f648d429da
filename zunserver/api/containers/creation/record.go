package creation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// maxInSandbox is how many containers a sandbox holds.
const maxInSandbox = 64

var letters = []string{
	"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "omicron",
	"pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
}

// RandomName is a name as Zun makes them (zun/common/name_generator.py): "zeta-22-container".
func RandomName(kind string) string {
	return fmt.Sprintf("%s-%d-%s", letters[rand.IntN(len(letters))], 1+rand.IntN(24), kind)
}

// Own makes a record of its own of the container: uuid is both's.
func (c *Container) Own(uuid, project, user string, run bool, now time.Time) *capsule.Capsule {
	name := label(c.Name)
	one := &capsule.Capsule{
		UUID: uuid, Kind: capsule.KindContainer, Project: project, User: user, CreatedAt: now,
		Spec: capsule.Spec{
			Name: c.Name, Labels: c.Spec.Labels, AvailabilityZone: c.AvailabilityZone, Hostname: c.Hostname, Runtime: c.Runtime, Nets: c.Nets,
			RestartPolicy: restartPolicy(c.Standalone.RestartPolicy),
		},
	}
	c.add(&one.Spec, &one.Standalone, name, uuid, run, now)
	return one
}

// Into puts the container into a sandbox that is there.
func (c *Container) Into(one *capsule.Capsule, uuid string, run bool, now time.Time) error {
	if len(one.Spec.Containers) >= maxInSandbox {
		return rest.Refuse(409, "conflict", "%s has %d containers, which is the limit", one.UUID, maxInSandbox)
	}
	name := label(c.Name) + "-" + uuid[:8]
	if cs, _ := one.Spec.Container(name); cs != nil {
		return fmt.Errorf("%s has a container %s: %w", one.UUID, name, errdefs.ErrAlreadyExists)
	}
	c.add(&one.Spec, &one.Standalone, name, uuid, run, now)
	return nil
}

func (c *Container) add(s *capsule.Spec, list *[]capsule.Standalone, name, uuid string, run bool, now time.Time) {
	cs := c.Spec
	cs.Name, cs.UUID, cs.VolumeMounts = name, uuid, slices.Clone(c.Spec.VolumeMounts)
	for i, v := range c.Volumes {
		v.Name = volumeName(uuid, i)
		cs.VolumeMounts[i].Name = v.Name
		s.Volumes = append(s.Volumes, v)
	}
	s.Containers = append(s.Containers, cs)
	one := c.Standalone
	one.Container, one.Name, one.At = name, c.Name, now
	one.Want = capsule.Want{State: capsule.WantCreated, At: now}
	if run {
		one.Want.State, one.Want.Starts = capsule.WantRunning, 1
	}
	*list = append(*list, one)
}

// Remove takes the container called name, and what only it has, out of a record.
func Remove(one *capsule.Capsule, name string) {
	cs, _ := one.Spec.Container(name)
	if cs == nil {
		return
	}
	mine := map[string]bool{}
	for _, m := range cs.VolumeMounts {
		mine[m.Name] = true
	}
	one.Spec.Volumes = slices.DeleteFunc(one.Spec.Volumes, func(v capsule.Volume) bool { return mine[v.Name] && (v.Files != nil || v.EmptyDir != nil) })
	one.Spec.Containers = slices.DeleteFunc(one.Spec.Containers, func(c capsule.ContainerSpec) bool { return c.Name == name })
	one.Standalone = slices.DeleteFunc(one.Standalone, func(s capsule.Standalone) bool { return s.Container == name })
}

// restartPolicy is that of the record.
func restartPolicy(word string) capsule.RestartPolicy {
	switch word {
	case "always", "unless-stopped":
		return capsule.RestartAlways
	case "on-failure":
		return capsule.RestartOnFailure
	default:
		return capsule.RestartNever
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
