package capsules

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// describe is what people read of a capsule. What is empty is left out.
func describe(c *capsule.Capsule, now time.Time) *output.Sheet {
	d := &description{now: now}
	d.line(0, "Name", c.Spec.Name)
	d.line(0, "UUID", c.UUID)
	d.line(0, "Project", c.Project)
	d.line(0, "Labels", output.Pairs(c.Spec.Labels))
	d.line(0, "Annotations", output.Pairs(c.Spec.Annotations))
	d.line(0, "Created", d.ago(c.CreatedAt))
	d.line(0, "Status", c.Status())
	d.line(0, "Reason", c.StatusReason())
	d.line(0, "Host", host(c))
	d.line(0, "Addresses", strings.Join(c.Facts.Sandbox.Addresses, ", "))
	d.line(0, "Hostname", c.Spec.Hostname)
	d.line(0, "Zone", c.Spec.AvailabilityZone)
	d.line(0, "Restart policy", string(c.Spec.RestartPolicy))
	d.line(0, "Grace period", fmt.Sprintf("%d s", c.Spec.Grace()))
	if c.Deletion != nil {
		d.line(0, "Deletion", d.ago(c.Deletion.At))
	}
	d.containers("Init containers", c, c.Spec.InitContainers)
	d.containers("Containers", c, c.Spec.Containers)
	d.containers("Ephemeral containers", c, c.Spec.EphemeralContainers)
	if len(c.Spec.Volumes) > 0 {
		d.head(0, "Volumes")
		for i := range c.Spec.Volumes {
			d.line(1, c.Spec.Volumes[i].Name, source(&c.Spec.Volumes[i]))
		}
	}
	d.head(0, "Events")
	d.history(history(c))
	return &d.Sheet
}

type description struct {
	output.Sheet
	now time.Time
}

// line prints a title and a value, indented. An empty value leaves the line out.
func (d *description) line(indent int, title, value string) {
	d.Line(strings.Repeat("  ", indent)+title, value)
}

// head prints a title that has lines beneath it.
func (d *description) head(indent int, title string) {
	d.Head(strings.Repeat("  ", indent)+title+":", "")
}

func (d *description) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime) + ", " + duration.HumanDuration(d.now.Sub(t)) + " ago"
}

func (d *description) containers(title string, c *capsule.Capsule, list []capsule.ContainerSpec) {
	if len(list) == 0 {
		return
	}
	d.head(0, title)
	for i := range list {
		d.container(c, &list[i])
	}
}

func (d *description) container(c *capsule.Capsule, s *capsule.ContainerSpec) {
	d.head(1, s.Name)
	d.line(2, "Image", s.Image)
	d.line(2, "Command", output.Words(s.Command))
	d.line(2, "Arguments", output.Words(s.Args))
	d.line(2, "Ports", ports(s.Ports))
	status := c.ContainerStatus(s.Name, d.now)
	d.line(2, "Status", status.Status)
	d.line(2, "Reason", status.Reason)
	if f := c.Facts.Container(s.Name); f != nil {
		d.facts(f)
	}
	d.line(2, "Requests", quantities(s.Resources.Requests))
	d.line(2, "Limits", quantities(s.Resources.Limits))
	for _, m := range s.VolumeMounts {
		mode := ""
		if m.ReadOnly {
			mode = " (read only)"
		}
		d.line(2, "Mount", m.MountPath+" from "+m.Name+mode)
	}
	for _, e := range s.Env {
		value := e.Value
		switch {
		case e.Sensitive:
			value = capsule.Masked
		case e.Ref != "":
			value = "the " + strings.ReplaceAll(string(e.Ref), ".", "'s ")
		}
		d.line(2, "Variable", e.Name+"="+value)
	}
}

func (d *description) facts(f *capsule.ContainerFacts) {
	if r := f.Run; r != nil {
		switch r.State() {
		case capsule.StateRunning:
			d.line(2, "Started", d.ago(r.StartedAt))
		case capsule.StateExited:
			d.line(2, "Ended", d.ago(r.FinishedAt)+", "+ending(r))
		}
		if r.Paused {
			d.line(2, "Paused", "yes")
		}
		d.line(2, "Message", r.Message)
		d.line(2, "Restarts", strconv.Itoa(r.Attempt))
		d.line(2, "Ready", map[bool]string{true: "yes", false: "no"}[f.Ready])
	}
	if r := f.Last; r != nil {
		d.line(2, "Ended before", d.ago(r.FinishedAt)+", "+ending(r))
	}
}

func (d *description) history(all []happening) {
	t := output.Table{Head: []string{"  AGE", "REASON", "CONTAINER", "MESSAGE"}}
	for _, h := range all {
		t.Rows = append(t.Rows, []string{"  " + duration.HumanDuration(d.now.Sub(h.at)), h.reason, h.object, h.message})
	}
	_ = t.Write(d) // which keeps it
}

func host(c *capsule.Capsule) string {
	if c.Facts.HostAddress == "" {
		return c.Claim.Host
	}
	return c.Claim.Host + " (" + c.Facts.HostAddress + ")"
}

func ports(list []capsule.Port) string {
	texts := make([]string, len(list))
	for i, p := range list {
		protocol := p.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		texts[i] = fmt.Sprintf("%d/%s", p.ContainerPort, protocol)
		if p.HostPort != 0 {
			texts[i] += fmt.Sprintf(" at %d of the host", p.HostPort)
		}
	}
	return strings.Join(texts, ", ")
}

func quantities(list corev1.ResourceList) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		q := list[name]
		text := q.String()
		if name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage {
			text = output.Size(q.Value())
		}
		texts = append(texts, string(name)+" "+text)
	}
	return strings.Join(texts, ", ")
}

// source says what a volume is.
func source(v *capsule.Volume) string {
	switch {
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
		return "empty, in memory"
	case v.EmptyDir != nil:
		return "empty"
	case v.HostPath != nil:
		return v.HostPath.Path + " of the host"
	case v.Files != nil && v.Files.Sensitive:
		return fmt.Sprintf("%d secret files", len(v.Files.Items))
	case v.Files != nil:
		return fmt.Sprintf("%d files", len(v.Files.Items))
	case v.NFS != nil:
		return v.NFS.Server + ":" + v.NFS.Path
	case v.Local != nil:
		return v.Local.Path + " of the host"
	default:
		return "see -o yaml"
	}
}
