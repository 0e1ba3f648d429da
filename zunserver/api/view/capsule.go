package view

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Options say for whom and how a view is made.
type Options struct {
	// Base is the scheme and host of links.
	Base string
	// Old is the representation of capsules up to microversion 1.31.
	Old bool
	// Admin sees the host and what else Zun's policy keeps for administrators.
	Admin bool
	Now   time.Time
}

// Capsule is Zun's representation of a capsule.
func Capsule(c *capsule.Capsule, o Options) map[string]any {
	m := map[string]any{
		"uuid": c.UUID, "links": links(o.Base, "capsules", c.UUID), "project_id": c.Project, "user_id": c.User,
		"cpu": float64(c.Spec.CPU()) / 1000, "memory": mebibytes(c.Spec.Memory()),
		"status": c.Status(), "status_reason": orNull(c.StatusReason()),
		"annotations": mapOrNull(c.Spec.Annotations), "addresses": addresses(c),
		"containers": containers(c, c.Spec.Containers, false, o), "init_containers": containers(c, c.Spec.InitContainers, true, o),
		"created_at": date(c.CreatedAt), "updated_at": date(updated(c)),
	}
	policy := restartPolicy(c.Spec.RestartPolicy)
	if o.Old {
		m["meta_name"], m["meta_labels"], m["restart_policy"] = orNull(c.Spec.Name), mapOrNull(c.Spec.Labels), policy["Name"]
		// Zun has these four and leaves them empty.
		m["volumes_info"], m["capsule_version"] = map[string]any{}, ""
		m["containers_uuids"], m["init_containers_uuids"] = []string{}, []string{}
	} else {
		m["name"], m["labels"], m["restart_policy"] = orNull(c.Spec.Name), mapOrNull(c.Spec.Labels), policy
	}
	if o.Admin {
		m["host"] = orNull(c.Claim.Host)
	}
	return m
}

func containers(c *capsule.Capsule, list []capsule.ContainerSpec, init bool, o Options) []any {
	all := make([]any, 0, len(list))
	for i := range list {
		all = append(all, container(c, &list[i], init, o))
	}
	return all
}

// container is Zun's representation of a container of a capsule.
func container(c *capsule.Capsule, s *capsule.ContainerSpec, init bool, o Options) map[string]any {
	status := c.ContainerStatus(s.Name, o.Now)
	policy := restartPolicy(c.Spec.RestartPolicy)
	if init && c.Spec.RestartPolicy == capsule.RestartAlways { // zun/api/controllers/v1/capsules.py
		policy = map[string]string{"Name": "on-failure", "MaximumRetryCount": "10"}
	}
	var changed time.Time
	if f := c.Facts.Container(s.Name); f != nil {
		changed = containerUpdated(f)
	}
	m := map[string]any{
		"uuid": s.UUID, "name": s.Name, "project_id": c.Project, "user_id": c.User, "image": s.Image,
		"cpu": nil, "cpu_policy": "shared", "memory": nil,
		"command": append(append([]string{}, s.Command...), s.Args...),
		"status":  status.Status, "status_reason": orNull(status.Reason), "task_state": orNull(status.TaskState),
		"status_detail": orNull(status.Detail),
		"environment":   environment(s.Env), "workdir": orNull(s.WorkDir), "ports": ports(s.Ports),
		"hostname": orNull(c.Spec.Hostname), "labels": mapOrEmpty(s.Labels), "addresses": map[string]any{},
		"restart_policy": policy, "interactive": s.Stdin, "tty": s.TTY,
		"auto_remove": false, "auto_heal": false, "disk": 0, "image_driver": nil, "security_groups": []string{},
		"healthcheck": map[string]any{}, "registry_id": nil, "entrypoint": []string{},
		"created_at": date(c.CreatedAt), "updated_at": date(changed),
	}
	if cpu := s.CPU(); cpu > 0 {
		m["cpu"] = float64(cpu) / 1000
	}
	if memory := s.Memory(); memory > 0 {
		m["memory"] = mebibytes(memory)
	}
	if o.Admin {
		m["host"], m["runtime"] = orNull(c.Claim.Host), nil
		m["image_pull_policy"] = map[string]string{"Always": "always", "Never": "never", "IfNotPresent": "ifnotpresent"}[string(s.ImagePullPolicy)]
		m["privileged"] = s.SecurityContext != nil && s.SecurityContext.Privileged != nil && *s.SecurityContext.Privileged
	}
	return m
}

// restartPolicy has the count as a string, as clients expect it (gophercloud: CapsuleV132.RestartPolicy).
func restartPolicy(p capsule.RestartPolicy) map[string]string {
	name := map[capsule.RestartPolicy]string{
		capsule.RestartAlways: "always", capsule.RestartOnFailure: "on-failure", capsule.RestartNever: "no"}[p]
	return map[string]string{"MaximumRetryCount": "0", "Name": name}
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

// addresses are keyed by network; Docker's networks have names, so the UUIDs are derived.
func addresses(c *capsule.Capsule) map[string]any {
	s := c.Facts.Sandbox
	if len(s.Addresses) == 0 {
		return map[string]any{}
	}
	network := s.Network
	if network == "" {
		network = "host"
	}
	list := make([]any, 0, len(s.Addresses))
	for _, a := range s.Addresses {
		version := 4
		if ip, err := netip.ParseAddr(a); err == nil && ip.Is6() && !ip.Is4In6() {
			version = 6
		}
		list = append(list, map[string]any{
			"addr": a, "version": version, "preserve_on_delete": false,
			"port": derived("port", c.UUID, a), "subnet_id": derived("subnet", network, strconv.Itoa(version)),
		})
	}
	return map[string]any{derived("network", network): list}
}

// derived is a UUID that stands for the words.
func derived(words ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "capsulet %q", words)).String()
}

func links(base, resource, id string) []any {
	return []any{
		map[string]any{"href": base + "/v1/" + resource + "/" + id, "rel": "self"},
		map[string]any{"href": base + "/" + resource + "/" + id, "rel": "bookmark"},
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
func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.DateTime)
}

func mebibytes(n int64) string { return strconv.FormatInt(n>>20, 10) }

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func mapOrNull(m map[string]string) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

func mapOrEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
