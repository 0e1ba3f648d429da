package capsule

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// FixedAnnotations is the prefix of annotations that stay what they were at creation: they say whose capsule it is.
const FixedAnnotations = "capsulet.io/"

// Masked is what a view shows instead of the value of a sensitive variable.
const Masked = "***"

// Adopt takes over from next everything that may change while a capsule lives; the rest of s stays:
//
//	labels, annotations           except those of [FixedAnnotations]
//	activeDeadlineSeconds         set or shortened, never lengthened or unset
//	containers[].resources        cpu and memory; init containers too
//	containers[].resizePolicy
//	containers[].env              for the next attempt of the container; what runs keeps its own
//	containers[].pullCredentials  none keeps those that are there
//	containers[].image            with images only: the container is made again in its place; init containers too
//	ephemeralContainers           more of them at the end; those that are there stay
//	volumes[].files.items         as a whole
//	nets                          the sandbox is connected and disconnected as it runs
//	hash
//
// The memory of next is shared afterwards.
func (s *Spec) Adopt(next *Spec, images bool) {
	s.Labels, s.Annotations, s.Hash, s.Nets = next.Labels, fixed(s.Annotations, next.Annotations), next.Hash, next.Nets
	if d := next.ActiveDeadlineSeconds; d != nil && (s.ActiveDeadlineSeconds == nil || *d < *s.ActiveDeadlineSeconds) {
		s.ActiveDeadlineSeconds = d
	}
	for _, l := range [][2][]ContainerSpec{{s.InitContainers, next.InitContainers}, {s.Containers, next.Containers}} {
		for i := range min(len(l[0]), len(l[1])) {
			if l[0][i].Name == l[1][i].Name {
				l[0][i].adopt(&l[1][i], images)
			}
		}
	}
	if n := len(s.EphemeralContainers); len(next.EphemeralContainers) > n {
		s.EphemeralContainers = append(slices.Clip(s.EphemeralContainers), next.EphemeralContainers[n:]...)
	}
	for i := range min(len(s.EphemeralContainers), len(next.EphemeralContainers)) {
		// It has run or soon will: what it was made of is of no more use, and what it refers to may have changed.
		if e, n := &s.EphemeralContainers[i], &next.EphemeralContainers[i]; e.Name == n.Name {
			e.adopt(n, false)
		}
	}
	for i := range min(len(s.Volumes), len(next.Volumes)) {
		v, n := &s.Volumes[i], &next.Volumes[i]
		if v.Name == n.Name && v.Files != nil && n.Files != nil {
			v.Files = &FilesVolume{Items: n.Files.Items, Sensitive: v.Files.Sensitive}
		}
	}
}

func fixed(had, next map[string]string) map[string]string {
	all := map[string]string{}
	for k, v := range next {
		if !strings.HasPrefix(k, FixedAnnotations) {
			all[k] = v
		}
	}
	for k, v := range had {
		if strings.HasPrefix(k, FixedAnnotations) {
			all[k] = v
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func (cs *ContainerSpec) adopt(next *ContainerSpec, images bool) {
	if images && cs.Image != next.Image {
		cs.Image = next.Image
		cs.Definition++
	}
	cs.Env = next.Env
	cs.ResizePolicy = next.ResizePolicy
	if len(next.PullCredentials) > 0 {
		cs.PullCredentials = next.PullCredentials
	}
	cs.Resources.Requests = resized(cs.Resources.Requests, next.Resources.Requests)
	cs.Resources.Limits = resized(cs.Resources.Limits, next.Resources.Limits)
}

// resized is the list had with cpu and memory as in next.
func resized(had, next corev1.ResourceList) corev1.ResourceList {
	all := maps.Clone(had)
	if all == nil {
		all = corev1.ResourceList{}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		delete(all, name)
		if q, ok := next[name]; ok {
			all[name] = q
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// Unmask puts into next what a view of s hides, where next has it as the view shows it: the value [Masked] of a sensitive
// variable, and files without content in a sensitive volume. So what was read can be changed and sent back.
func (s *Spec) Unmask(next *Spec) {
	for _, list := range [][]ContainerSpec{next.InitContainers, next.Containers, next.EphemeralContainers} {
		for i := range list {
			had, _ := s.Container(list[i].Name)
			if had != nil && len(list[i].PullCredentials) == 0 {
				list[i].PullCredentials = had.PullCredentials
			}
			for j := range list[i].Env {
				if e := &list[i].Env[j]; had != nil && e.Sensitive && e.Value == Masked {
					e.Value = had.hidden(e.Name)
				}
			}
		}
	}
	for i := range next.Volumes {
		had := slices.IndexFunc(s.Volumes, func(v Volume) bool { return v.Name == next.Volumes[i].Name })
		if had < 0 || s.Volumes[had].Files == nil || next.Volumes[i].Files == nil || !s.Volumes[had].Files.Sensitive {
			continue
		}
		for j := range next.Volumes[i].Files.Items {
			f := &next.Volumes[i].Files.Items[j]
			if f.Content == nil {
				f.Content = s.Volumes[had].Files.content(f.Path)
			}
		}
	}
}

// hidden is the value of a sensitive variable.
func (cs *ContainerSpec) hidden(name string) string {
	for i := range cs.Env {
		if cs.Env[i].Name == name && cs.Env[i].Sensitive {
			return cs.Env[i].Value
		}
	}
	return Masked
}

func (f *FilesVolume) content(path string) []byte {
	for i := range f.Items {
		if f.Items[i].Path == path {
			return f.Items[i].Content
		}
	}
	return nil
}

// Frozen returns the paths, sorted, of the fields in which next asks for something that [Spec.Adopt] does not take over.
// UUIDs and definitions of containers, which are the server's, do not count. Neither argument is changed.
func (s *Spec) Frozen(next *Spec, images bool) ([]string, error) {
	adopted, err := s.Clone()
	if err != nil {
		return nil, err
	}
	adopted.Adopt(next, images)
	was, err := tree(adopted)
	if err != nil {
		return nil, err
	}
	is, err := tree(next)
	if err != nil {
		return nil, err
	}
	var paths []string
	differ(was, is, "spec", func(path string) {
		for _, key := range []string{"name", "labels", "annotations"} {
			if rest, ok := strings.CutPrefix(path, "spec."+key); ok && (rest == "" || rest[0] == '.') {
				path = "metadata." + key + rest
			}
		}
		paths = append(paths, path)
	})
	slices.Sort(paths)
	return paths, nil
}

// Clone is a deep copy.
func (s *Spec) Clone() (*Spec, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("copy the spec of capsule %q: %w", s.Name, err)
	}
	t := new(Spec)
	if err := json.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("copy the spec of capsule %q: %w", s.Name, err)
	}
	return t, nil
}

// tree is the spec as JSON sees it, without what of containers is the server's.
func tree(s *Spec) (any, error) {
	t, err := s.Clone()
	if err != nil {
		return nil, err
	}
	for _, list := range [][]ContainerSpec{t.InitContainers, t.Containers, t.EphemeralContainers} {
		for i := range list {
			list[i].UUID, list[i].Definition = "", 0
		}
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("compare the spec of capsule %q: %w", s.Name, err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("compare the spec of capsule %q: %w", s.Name, err)
	}
	return v, nil
}

// differ reports the path of each innermost value that is not the same in both.
func differ(a, b any, path string, report func(string)) {
	if am, ok := a.(map[string]any); ok {
		if bm, ok := b.(map[string]any); ok {
			keys := map[string]bool{}
			for k := range am {
				keys[k] = true
			}
			for k := range bm {
				keys[k] = true
			}
			for k := range keys {
				differ(am[k], bm[k], path+"."+k, report)
			}
			return
		}
	}
	al, ok1 := a.([]any)
	bl, ok2 := b.([]any)
	if ok1 && ok2 && len(al) == len(bl) {
		for i := range al {
			differ(al[i], bl[i], fmt.Sprintf("%s[%d]", path, i), report)
		}
		return
	}
	if !reflect.DeepEqual(a, b) {
		report(path)
	}
}
