package view

import (
	"slices"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Native is the capsule without credentials and without the values and file contents that are sensitive. It shares memory with c.
func Native(c *capsule.Capsule) *capsule.Capsule {
	shown := *c
	shown.Spec.InitContainers = withoutSecrets(c.Spec.InitContainers)
	shown.Spec.Containers = withoutSecrets(c.Spec.Containers)
	shown.Spec.EphemeralContainers = withoutSecrets(c.Spec.EphemeralContainers)
	shown.Spec.Volumes = slices.Clone(c.Spec.Volumes)
	for i := range shown.Spec.Volumes {
		v := &shown.Spec.Volumes[i]
		if v.Files == nil || !v.Files.Sensitive {
			continue
		}
		files := *v.Files
		files.Items = slices.Clone(files.Items)
		for j := range files.Items {
			files.Items[j].Content = nil
		}
		v.Files = &files
	}
	return &shown
}

func withoutSecrets(list []capsule.ContainerSpec) []capsule.ContainerSpec {
	list = slices.Clone(list)
	for i := range list {
		list[i].PullCredentials = nil
		list[i].Env = slices.Clone(list[i].Env)
		for j := range list[i].Env {
			if e := &list[i].Env[j]; e.Sensitive {
				e.Value = Mask
			}
		}
	}
	return list
}
