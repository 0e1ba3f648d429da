package view

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Link is one of the links of a resource.
type Link struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
}

// RestartPolicy has the count as a string, as clients expect it (gophercloud: CapsuleV132.RestartPolicy).
type RestartPolicy struct {
	MaximumRetryCount string `json:"MaximumRetryCount"`
	Name              string `json:"Name"`
}

// Address is one address of a capsule in a network.
type Address struct {
	Addr             string `json:"addr"`
	Version          int    `json:"version"`
	Port             string `json:"port"`
	SubnetID         string `json:"subnet_id"`
	PreserveOnDelete bool   `json:"preserve_on_delete"`
}

// capsuleBase is what both representations of a capsule have (zun/api/controllers/v1/views/capsules_view.py).
type capsuleBase struct {
	UUID           string               `json:"uuid"`
	Links          []Link               `json:"links"`
	ProjectID      string               `json:"project_id"`
	UserID         string               `json:"user_id"`
	CPU            float64              `json:"cpu"`
	Memory         string               `json:"memory"`
	Status         string               `json:"status"`
	StatusReason   *string              `json:"status_reason"`
	Annotations    map[string]string    `json:"annotations"`
	Addresses      map[string][]Address `json:"addresses"`
	Containers     []Container          `json:"containers"`
	InitContainers []Container          `json:"init_containers"`
	CreatedAt      *string              `json:"created_at"`
	UpdatedAt      *string              `json:"updated_at"`
	life
	*hostOf
}

// life is what Zun promised and never built (the specification of container composition: status, message, startTime). The words of Status
// stay Zun's.
type life struct {
	Phase     string  `json:"phase"`
	Message   *string `json:"message"`
	StartedAt *string `json:"started_at"`
}

// runs is how a container of a capsule ran: its newest run, and how often it was started again.
type runs struct {
	StartedAt    *string `json:"started_at"`
	FinishedAt   *string `json:"finished_at"`
	ExitCode     *int    `json:"exit_code"`
	RestartCount int     `json:"restart_count"`
}

func runsOf(f *capsule.ContainerFacts) *runs {
	r := &runs{}
	if f == nil || f.Run == nil {
		return r
	}
	r.StartedAt, r.FinishedAt, r.RestartCount = date(f.Run.StartedAt), date(f.Run.FinishedAt), f.Run.Attempt
	if f.Run.State() == capsule.StateExited {
		r.ExitCode = &f.Run.ExitCode
	}
	return r
}

// What follows is for who may see it: see Sees.

type hostOf struct {
	Host *string `json:"host"`
}

// Capsule132 is the representation of a capsule since microversion 1.32.
type Capsule132 struct {
	capsuleBase
	Name          *string           `json:"name"`
	Labels        map[string]string `json:"labels"`
	RestartPolicy RestartPolicy     `json:"restart_policy"`
}

// Capsule131 is the representation of a capsule up to microversion 1.31. Zun has the last four and leaves them empty.
type Capsule131 struct {
	capsuleBase
	MetaName            *string           `json:"meta_name"`
	MetaLabels          map[string]string `json:"meta_labels"`
	RestartPolicy       string            `json:"restart_policy"`
	VolumesInfo         map[string]any    `json:"volumes_info"`
	CapsuleVersion      string            `json:"capsule_version"`
	ContainersUUIDs     []string          `json:"containers_uuids"`
	InitContainersUUIDs []string          `json:"init_containers_uuids"`
}

// CapsuleList is a page of capsules, each a Capsule132 or a Capsule131.
type CapsuleList struct {
	Capsules []any   `json:"capsules"`
	Next     *string `json:"next"`
}

// Container is Zun's representation of a container (zun/api/controllers/v1/views/containers_view.py), which is the same for
// those in capsules, but for the links.
type Container struct {
	UUID           string               `json:"uuid"`
	Links          []Link               `json:"links,omitempty"`
	Name           string               `json:"name"`
	ProjectID      string               `json:"project_id"`
	UserID         string               `json:"user_id"`
	Image          string               `json:"image"`
	CPU            *float64             `json:"cpu"`
	CPUPolicy      string               `json:"cpu_policy"`
	Memory         *string              `json:"memory"`
	Command        []string             `json:"command"`
	Status         string               `json:"status"`
	StatusReason   *string              `json:"status_reason"`
	StatusDetail   *string              `json:"status_detail"`
	TaskState      *string              `json:"task_state"`
	Environment    map[string]string    `json:"environment"`
	Workdir        *string              `json:"workdir"`
	Ports          []int32              `json:"ports"`
	Hostname       *string              `json:"hostname"`
	Labels         map[string]string    `json:"labels"`
	Addresses      map[string][]Address `json:"addresses"`
	RestartPolicy  RestartPolicy        `json:"restart_policy"`
	Interactive    bool                 `json:"interactive"`
	TTY            bool                 `json:"tty"`
	AutoRemove     bool                 `json:"auto_remove"`
	AutoHeal       bool                 `json:"auto_heal"`
	Disk           int64                `json:"disk"`
	ImageDriver    *string              `json:"image_driver"`
	SecurityGroups []string             `json:"security_groups"`
	Healthcheck    map[string]any       `json:"healthcheck"`
	RegistryID     *string              `json:"registry_id"`
	Entrypoint     []string             `json:"entrypoint"`
	CreatedAt      *string              `json:"created_at"`
	UpdatedAt      *string              `json:"updated_at"`
	*runs                               // of those in capsules
	*hostOf
	*runtimeOf
	*pullPolicyOf
	*privilegedOf
}

type runtimeOf struct {
	Runtime *string `json:"runtime"`
}

type pullPolicyOf struct {
	ImagePullPolicy *string `json:"image_pull_policy"`
}

type privilegedOf struct {
	Privileged bool `json:"privileged"`
}

// Capsule is Zun's representation of a capsule: a Capsule132 or a Capsule131.
func Capsule(c *capsule.Capsule, o Options) any {
	base := capsuleBase{
		UUID: c.UUID, Links: links(o.Base, "capsules", c.UUID), ProjectID: c.Project, UserID: c.User,
		CPU: float64(c.Spec.CPU()) / 1000, Memory: mebibytes(c.Spec.Memory()),
		Status: c.Status(), StatusReason: orNull(c.StatusReason()),
		Annotations: c.Spec.Annotations, Addresses: addresses(c),
		Containers: containers(c, c.Spec.Containers, false, o), InitContainers: containers(c, c.Spec.InitContainers, true, o),
		CreatedAt: date(c.CreatedAt), UpdatedAt: date(updated(c)),
		life: life{Phase: c.Phase(), Message: orNull(c.Message()), StartedAt: date(c.Facts.StartedAt)},
	}
	if o.Sees.CapsuleHost {
		base.hostOf = &hostOf{orNull(c.Claim.Host)}
	}
	policy := restartPolicy(c.Spec.RestartPolicy)
	if o.Old {
		return Capsule131{
			capsuleBase: base, MetaName: orNull(c.Spec.Name), MetaLabels: c.Spec.Labels, RestartPolicy: policy.Name,
			VolumesInfo: map[string]any{}, ContainersUUIDs: []string{}, InitContainersUUIDs: []string{},
		}
	}
	return Capsule132{capsuleBase: base, Name: orNull(c.Spec.Name), Labels: c.Spec.Labels, RestartPolicy: policy}
}

func containers(c *capsule.Capsule, list []capsule.ContainerSpec, init bool, o Options) []Container {
	all := make([]Container, 0, len(list))
	for i := range list {
		m := containerOf(c, &list[i], init, o)
		m.runs = runsOf(c.Facts.Container(list[i].Name))
		all = append(all, m)
	}
	return all
}

// containerOf is a container of a capsule.
func containerOf(c *capsule.Capsule, s *capsule.ContainerSpec, init bool, o Options) Container {
	status := c.ContainerStatus(s.Name, o.Now)
	policy := restartPolicy(c.Spec.RestartPolicy)
	if init && c.Spec.RestartPolicy == capsule.RestartAlways { // zun/api/controllers/v1/capsules.py
		policy = RestartPolicy{Name: "on-failure", MaximumRetryCount: "10"}
	}
	var changed time.Time
	if f := c.Facts.Container(s.Name); f != nil {
		changed = containerUpdated(f)
	}
	m := Container{
		UUID: s.UUID, Name: s.Name, ProjectID: c.Project, UserID: c.User, Image: s.Image, CPUPolicy: "shared",
		Command: append(append([]string{}, s.Command...), s.Args...),
		Status:  status.Status, StatusReason: orNull(status.Reason), TaskState: orNull(status.TaskState),
		StatusDetail: orNull(status.Detail),
		Environment:  environment(s.Env), Workdir: orNull(s.WorkDir), Ports: ports(s.Ports),
		Hostname: hostname(c), Labels: mapOrEmpty(s.Labels), Addresses: map[string][]Address{},
		RestartPolicy: policy, Interactive: s.Stdin, TTY: s.TTY,
		SecurityGroups: []string{}, Healthcheck: map[string]any{}, Entrypoint: []string{},
		CreatedAt: date(c.CreatedAt), UpdatedAt: date(changed),
	}
	if cpu := float64(s.CPU()) / 1000; cpu > 0 {
		m.CPU = &cpu
	}
	if memory := s.Memory(); memory > 0 {
		m.Memory = orNull(mebibytes(memory))
	}
	if o.Sees.Host {
		m.hostOf = &hostOf{orNull(c.Claim.Host)}
	}
	if o.Sees.Runtime {
		m.runtimeOf = &runtimeOf{orNull(c.Spec.Runtime)}
	}
	if o.Sees.ImagePullPolicy {
		m.pullPolicyOf = &pullPolicyOf{orNull(strings.ToLower(string(s.ImagePullPolicy)))}
	}
	if o.Sees.Privileged {
		m.privilegedOf = &privilegedOf{s.SecurityContext != nil && s.SecurityContext.Privileged != nil && *s.SecurityContext.Privileged}
	}
	return m
}

// hostname of a container is what the kernel answers; that of a capsule's is null unless it was asked for (Zun's recorded answers).
func hostname(c *capsule.Capsule) *string {
	if c.Kind == capsule.KindCapsule {
		return orNull(c.Spec.Hostname)
	}
	return orNull(c.Spec.KernelHostname())
}

func restartPolicy(p capsule.RestartPolicy) RestartPolicy {
	name := map[capsule.RestartPolicy]string{
		capsule.RestartAlways: "always", capsule.RestartOnFailure: "on-failure", capsule.RestartNever: "no"}[p]
	return RestartPolicy{MaximumRetryCount: "0", Name: name}
}

func environment(env []capsule.EnvVar) map[string]string {
	m := map[string]string{}
	for _, e := range env {
		switch {
		case e.Sensitive:
			m[e.Name] = Mask
		case e.Ref != "":
			m[e.Name] = "$(" + string(e.Ref) + ")"
		default:
			m[e.Name] = e.Value
		}
	}
	return m
}

func ports(list []capsule.Port) []int32 {
	numbers := make([]int32, 0, len(list))
	for _, p := range list {
		numbers = append(numbers, p.ContainerPort)
	}
	return numbers
}

// addresses are keyed by the UUIDs of networks; an engine's own have names, so theirs are derived, as those of ports and subnets.
func addresses(c *capsule.Capsule) map[string][]Address {
	s := c.Facts.Sandbox
	in := s.Networks
	if len(in) == 0 && len(s.Addresses) > 0 { // the host's network, or a record of before 2026-11-26
		in = []capsule.Attachment{{Network: cmp.Or(s.Network, capsule.HostNetwork), Addresses: s.Addresses}}
	}
	all := make(map[string][]Address, len(in))
	for _, n := range in {
		list := make([]Address, 0, len(n.Addresses))
		for _, a := range n.Addresses {
			version := 4
			if ip, err := netip.ParseAddr(a); err == nil && ip.Is6() && !ip.Is4In6() {
				version = 6
			}
			list = append(list, Address{
				Addr: a, Version: version, Port: Port(c.UUID, n.Network), SubnetID: derived("subnet", n.Network, strconv.Itoa(version)),
			})
		}
		all[capsule.NetworkUUID(n.Network)] = list
	}
	return all
}

// Port is the UUID of a capsule's port in a network, which has a name on the engine; a port has one address of each family.
func Port(capsuleUUID, engineNetwork string) string {
	return derived("port", capsuleUUID, engineNetwork)
}

// derived is a UUID that stands for the words.
func derived(words ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "capsulet %q", words)).String()
}

func links(base, resource, id string) []Link {
	return []Link{
		{base + "/v1/" + resource + "/" + id, "self"},
		{base + "/" + resource + "/" + id, "bookmark"},
	}
}

// Updated is when something of the capsule last changed, as far as its record shows; zero for a new one.
func Updated(c *capsule.Capsule) time.Time { return updated(c) }

func updated(c *capsule.Capsule) time.Time {
	f := &c.Facts
	t := latest(c.Claim.At, f.StartedAt, f.StoppedAt, f.Sandbox.StartedAt)
	if c.Deletion != nil {
		t = latest(t, c.Deletion.At)
	}
	if f.End != nil {
		t = latest(t, f.End.At)
	}
	if f.Failure != nil {
		t = latest(t, f.Failure.At)
	}
	for i := range f.Containers {
		t = latest(t, containerUpdated(&f.Containers[i]))
	}
	return t
}

func containerUpdated(f *capsule.ContainerFacts) time.Time {
	t := f.ReadyAt
	if f.Failure != nil {
		t = latest(t, f.Failure.At)
	}
	if f.Run != nil {
		t = latest(t, f.Run.CreatedAt, f.Run.StartedAt, f.Run.FinishedAt)
	}
	return t
}

func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// date is Zun's format, in UTC without a zone; null for no time.
func date(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return orNull(t.UTC().Format(time.DateTime))
}

func mebibytes(n int64) string { return decimal(n >> 20) }

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func mapOrEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
