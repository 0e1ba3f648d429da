package creation

import (
	"encoding/base64"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// injected is the name of the only file in the volume of an injected file.
const injected = "content"

// maxVolumeGiB is what a number of GiB may be so that it is one of bytes.
const maxVolumeGiB = 1 << 30

// instead is what can be mounted.
func (c *Container) instead() string {
	if c.sized {
		return "a volume of its own with a size can be mounted, and a file with type bind"
	}
	return "only files can be mounted, with type bind (the operator can let the disks of hosts serve volumes with a size: volumes.sized)"
}

// volume is one of its own, which ends with the container, as what Zun makes where a size and no source is given.
func (m *Mount) volume() (v capsule.Volume, err error) {
	n, given, err := Whole("mounts.size", m.Size, 1, maxVolumeGiB)
	if err != nil {
		return v, err
	}
	if !given {
		return v, rest.InvalidField("mounts", "'size' is a required property of a volume without a source")
	}
	v.EmptyDir = &corev1.EmptyDirVolumeSource{SizeLimit: resource.NewQuantity(n<<30, resource.BinarySI)}
	return v, nil
}

// mounts reads mounts: a bind is a file with the content given (zun/volume/driver.py, Local).
func (c *Container) mounts(b *Body) error {
	taken := map[string]bool{}
	for _, m := range b.Mounts {
		bind := m.Type == "bind"
		switch {
		case m.Type != "" && m.Type != "volume" && !bind:
			return rest.InvalidField("mounts.type", "Value: '%.64s'. It is neither volume nor bind", m.Type)
		case !bind && (m.Source != nil || !c.sized):
			return rest.InvalidField("mounts", "A volume for %.255s needs Cinder, which is not configured here: %s", m.Destination, c.instead())
		case bind && m.Source == nil:
			return rest.InvalidField("mounts", "'source' is a required property")
		case bind && m.Size != nil:
			return rest.InvalidField("mounts.size", "A file has the size of its content")
		case !path.IsAbs(m.Destination) || path.Clean(m.Destination) != m.Destination || m.Destination == "/" || strings.ContainsAny(m.Destination, ":\x00"):
			return rest.InvalidField("mounts.destination", "Value: '%.255s'. It is not an absolute, clean path", m.Destination)
		case taken[m.Destination]:
			return rest.InvalidField("mounts.destination", "Value: '%.255s'. Two mounts have it", m.Destination)
		}
		taken[m.Destination] = true
		if !bind {
			v, err := m.volume()
			if err != nil {
				return err
			}
			c.Volumes = append(c.Volumes, v)
			c.Spec.VolumeMounts = append(c.Spec.VolumeMounts, corev1.VolumeMount{MountPath: m.Destination})
			continue
		}
		content, err := base64.StdEncoding.DecodeString(*m.Source) // line ends in it are skipped: Python's encoders make them
		if err != nil {
			return rest.InvalidField("mounts.source", "The content for %.255s is not base64", m.Destination)
		}
		if len(content) > maxFileBytes {
			return rest.InvalidField("mounts.source", "The content for %.255s has %d bytes, and may have %d", m.Destination, len(content), maxFileBytes)
		}
		c.Volumes = append(c.Volumes, capsule.Volume{
			Files: &capsule.FilesVolume{Items: []capsule.File{{Path: injected, Content: content}}, Sensitive: true}})
		c.Spec.VolumeMounts = append(c.Spec.VolumeMounts, corev1.VolumeMount{MountPath: m.Destination, SubPath: injected})
	}
	return nil
}

// health makes a probe of a health check. Docker's defaults are its own: 30 seconds and 3 retries.
func (c *Container) health(b *Body) error {
	h := b.Healthcheck
	if h == nil || *h == (Healthcheck{}) {
		return nil
	}
	if h.Cmd == "" || len(h.Cmd) > 255 {
		return rest.InvalidField("healthcheck.cmd", "It has not 1 to 255 characters")
	}
	kept := map[string]string{"test": h.Cmd}
	probe := &corev1.Probe{PeriodSeconds: 30, TimeoutSeconds: 30, FailureThreshold: 3, SuccessThreshold: 1}
	probe.Exec = &corev1.ExecAction{Command: []string{"/bin/sh", "-c", h.Cmd}}
	for _, f := range []struct {
		name  string
		value any
		into  *int32
	}{{"interval", h.Interval, &probe.PeriodSeconds}, {"retries", h.Retries, &probe.FailureThreshold}, {"timeout", h.Timeout, &probe.TimeoutSeconds}} {
		n, given, err := Whole("healthcheck."+f.name, f.value, 0, 1<<31-1)
		if err != nil {
			return err
		}
		if given {
			kept[f.name] = itoa(n)
		}
		if n > 0 { // 0 is Docker's word for its default
			*f.into = int32(n)
		}
	}
	c.Spec.ReadinessProbe, c.Standalone.Healthcheck = probe, kept
	return nil
}
