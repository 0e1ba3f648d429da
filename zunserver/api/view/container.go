package view

import (
	"strconv"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// ContainerOf is the container called name in the spec of a record, which has it: of the container API, with links, or one of
// a capsule.
func ContainerOf(c *capsule.Capsule, name string, o Options) Container {
	cs, init := c.Spec.Container(name)
	m := containerOf(c, cs, init, o)
	s := c.StandaloneOf(name)
	if s == nil {
		return m
	}
	m.Links = links(o.Base, "containers", m.UUID)
	m.Name, m.CreatedAt = s.Name, date(s.At)
	m.Command, m.Entrypoint = append([]string{}, cs.Args...), append([]string{}, cs.Command...)
	m.Addresses = addresses(c)
	m.RestartPolicy = RestartPolicy{Name: s.RestartPolicy, MaximumRetryCount: strconv.Itoa(s.MaximumRetryCount)}
	m.AutoRemove, m.AutoHeal, m.Disk, m.CPUPolicy = s.AutoRemove, s.AutoHeal, s.DiskGiB, s.CPUPolicy
	m.ImageDriver, m.RegistryID = orNull(s.ImageDriver), orNull(s.RegistryID)
	m.SecurityGroups = append([]string{}, s.SecurityGroups...)
	for key, value := range s.Healthcheck {
		m.Healthcheck[key] = value
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && key != "test" {
			m.Healthcheck[key] = n
		}
	}
	m.UpdatedAt = date(latest(s.Want.At, ContainerUpdated(c, name)))
	m.StatusDetail = orNull(health(c, cs, m.StatusDetail))
	if f := c.Facts.Container(name); f != nil && m.StatusReason == nil && m.Status == capsule.StatusRunning {
		m.StatusReason = orNull(failing(f))
	}
	return m
}

// ContainerUpdated is when something of a container last changed, as far as its record shows; zero for a new one.
func ContainerUpdated(c *capsule.Capsule, name string) time.Time {
	t := c.Claim.At
	if c.Deletion != nil {
		t = latest(t, c.Deletion.At)
	}
	if f := c.Facts.Container(name); f != nil {
		t = latest(t, containerUpdated(f))
	}
	return t
}

// health adds what the health check says, in the words of docker ps.
func health(c *capsule.Capsule, cs *capsule.ContainerSpec, detail *string) string {
	if detail == nil {
		return ""
	}
	f := c.Facts.Container(cs.Name)
	if cs.ReadinessProbe == nil || f == nil || f.Run.State() != capsule.StateRunning || f.Run.Paused {
		return *detail
	}
	if f.Ready {
		return *detail + " (healthy)"
	}
	if failing(f) != "" {
		return *detail + " (unhealthy)"
	}
	return *detail + " (health: starting)"
}

// failing is what the newest failure of the health check says; empty while it has not failed since the start.
func failing(f *capsule.ContainerFacts) string {
	for _, u := range f.Unhealthy {
		if f.Run != nil && u.Kind == "Readiness" && u.RunID == f.Run.ID && !f.Ready {
			return u.Message
		}
	}
	return ""
}

// Sandbox is ours: what containers of the container API live in together.
type Sandbox struct {
	UUID         string               `json:"uuid"`
	Links        []Link               `json:"links"`
	Name         string               `json:"name"`
	ProjectID    string               `json:"project_id"`
	UserID       string               `json:"user_id"`
	Status       string               `json:"status"`
	StatusReason *string              `json:"status_reason"`
	Labels       map[string]string    `json:"labels"`
	Hostname     *string              `json:"hostname"`
	AvailZone    *string              `json:"availability_zone"`
	Addresses    map[string][]Address `json:"addresses"`
	Containers   []Container          `json:"containers"`
	CreatedAt    *string              `json:"created_at"`
	UpdatedAt    *string              `json:"updated_at"`
	*hostOf
}

// SandboxOf is the representation of a record that is a sandbox.
func SandboxOf(c *capsule.Capsule, o Options) Sandbox {
	s := Sandbox{
		UUID: c.UUID, Links: links(o.Base, "sandboxes", c.UUID), Name: c.Spec.Name, ProjectID: c.Project, UserID: c.User,
		Status: c.Status(), StatusReason: orNull(c.StatusReason()), Labels: mapOrEmpty(c.Spec.Labels), Hostname: hostname(c),
		AvailZone: orNull(c.Spec.AvailabilityZone), Addresses: addresses(c), Containers: []Container{},
		CreatedAt: date(c.CreatedAt), UpdatedAt: date(updated(c)),
	}
	for i := range c.Spec.Containers {
		s.Containers = append(s.Containers, ContainerOf(c, c.Spec.Containers[i].Name, o))
	}
	if o.Sees.CapsuleHost {
		s.hostOf = &hostOf{orNull(c.Claim.Host)}
	}
	return s
}

// Addresses are those of a record, by the UUIDs of its networks.
func Addresses(c *capsule.Capsule) map[string][]Address { return addresses(c) }

// Time is in Zun's format; null for no time.
func Time(t time.Time) *string { return date(t) }

// OrNull is null for nothing.
func OrNull(text string) *string { return orNull(text) }
