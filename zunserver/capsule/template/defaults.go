package template

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// loopback is where a port is published that its own host alone shall reach.
const loopback = "127.0.0.1"

// setDefaults fills in what a template may leave out.
func setDefaults(s *capsule.Spec) {
	if s.RestartPolicy == "" {
		s.RestartPolicy = capsule.RestartAlways
	}
	taken := map[string]bool{}
	for _, list := range [][]capsule.ContainerSpec{s.InitContainers, s.Containers, s.EphemeralContainers} {
		for i := range list {
			taken[list[i].Name] = true
		}
	}
	base := label(s.Name)
	for i := range s.InitContainers {
		setContainerDefaults(&s.InitContainers[i], base+"-init", i, taken)
	}
	for i := range s.Containers {
		setContainerDefaults(&s.Containers[i], base, i, taken)
	}
	for i := range s.EphemeralContainers {
		setContainerDefaults(&s.EphemeralContainers[i], base+"-debug", i, taken)
	}
	plainQuantities(s.Resources.Requests)
	plainQuantities(s.Resources.Limits)
	for i := range s.Volumes {
		if e := s.Volumes[i].EmptyDir; e != nil && e.SizeLimit != nil {
			q := plainQuantity(*e.SizeLimit)
			e.SizeLimit = &q
		}
	}
}

func setContainerDefaults(c *capsule.ContainerSpec, base string, i int, taken map[string]bool) {
	for n := i; c.Name == ""; n++ {
		if name := fmt.Sprintf("%s-%d", base, n); !taken[name] {
			c.Name, taken[name] = name, true
		}
	}
	for i := range c.Ports { // what is not for other hosts is not published to them
		if p := &c.Ports[i]; p.HostPort != 0 && p.HostIP == "" && !capsule.ScopeCloud.Within(p.Scope) {
			p.HostIP = loopback
		}
	}
	if c.ImagePullPolicy == "" {
		c.ImagePullPolicy = PullPolicy(c.Image)
	}
	plainQuantities(c.Resources.Requests)
	plainQuantities(c.Resources.Limits)
}

// label makes a DNS label of a capsule's name, short enough for "-init-63" to follow.
func label(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	name = strings.Trim(name[:min(len(name), 50)], "-")
	if name == "" {
		return "capsule"
	}
	return name
}

// PullPolicy is the kubelet's default: Always for :latest and for no tag, else IfNotPresent.
func PullPolicy(image string) corev1.PullPolicy {
	if strings.Contains(image, "@") {
		return corev1.PullIfNotPresent
	}
	_, tag, ok := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	if !ok || tag == "latest" {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}
