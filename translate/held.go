package translate

import (
	"errors"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// translation is a Pod on its way to a specification.
type translation struct {
	pod *corev1.Pod
	src *Sources
	// held is what the capsule is made of now; nil while there is none.
	held    *capsule.Spec
	lacking []*Missing
}

// lacks notes what is missing; another error is returned.
func (t *translation) lacks(err error) (bool, error) {
	var m *Missing
	if !errors.As(err, &m) {
		return false, err
	}
	t.lacking = append(t.lacking, m)
	return true, nil
}

// env is the environment of a container, the one that it has when something is missing; ok is false when it has none.
func (t *translation) env(c *corev1.Container) (env []capsule.EnvVar, ok bool, err error) {
	env, err = envOf(t.pod, c, t.src)
	missing, err := t.lacks(err)
	if !missing || err != nil {
		return env, err == nil, err
	}
	if t.held != nil {
		if had, _ := t.held.Container(c.Name); had != nil {
			return had.Env, true, nil
		}
	}
	return nil, false, nil
}

// volume is one volume, as it is now when something is missing.
func (t *translation) volume(v *corev1.Volume) (capsule.Volume, error) {
	out, err := volumeOf(t.pod, v, t.src)
	missing, err := t.lacks(err)
	if !missing || err != nil || t.held == nil {
		return out, err
	}
	for i := range t.held.Volumes {
		if t.held.Volumes[i].Name == v.Name {
			return t.held.Volumes[i], nil
		}
	}
	return out, nil
}

// runtime is the handler of the Pod's runtime class. What a sandbox was made with it keeps.
func (t *translation) runtime() string {
	if t.held != nil {
		return t.held.Runtime
	}
	name := t.pod.Spec.RuntimeClassName
	if name == nil || *name == "" {
		return ""
	}
	handler, ok := t.src.RuntimeHandlers[*name]
	if !ok {
		t.lacking = append(t.lacking, &Missing{Kind: SourceRuntime, Name: *name})
	}
	return handler
}
