package translate

import (
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/capsulet/capsulet/translate/podspec"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// volumeOf translates one volume; the content of files is what it is now.
func volumeOf(pod *corev1.Pod, v *corev1.Volume, src *Sources) (capsule.Volume, error) {
	out := capsule.Volume{Name: v.Name}
	f := &files{pod: pod, src: src, volume: v.Name}
	var err error
	switch {
	case v.EmptyDir != nil:
		out.EmptyDir = v.EmptyDir.DeepCopy()
		return out, nil
	case v.HostPath != nil:
		out.HostPath = v.HostPath.DeepCopy()
		return out, nil
	case v.NFS != nil:
		out.NFS = v.NFS.DeepCopy()
		return out, nil
	case v.PersistentVolumeClaim != nil, v.Ephemeral != nil:
		return claimed(pod, v, src)
	case v.ConfigMap != nil:
		f.mode = ptr.Deref(v.ConfigMap.DefaultMode, defaultMode)
		err = f.configMap(v.ConfigMap.Name, v.ConfigMap.Items, isTrue(v.ConfigMap.Optional))
	case v.Secret != nil:
		f.mode = ptr.Deref(v.Secret.DefaultMode, defaultMode)
		f.sensitive = true
		err = f.secret(v.Secret.SecretName, v.Secret.Items, isTrue(v.Secret.Optional))
	case v.DownwardAPI != nil:
		f.mode = ptr.Deref(v.DownwardAPI.DefaultMode, defaultMode)
		err = f.downward(v.DownwardAPI.Items)
	case v.Projected != nil:
		f.mode = ptr.Deref(v.Projected.DefaultMode, defaultMode)
		err = f.projected(v.Projected.Sources)
	default:
		out.EmptyDir = &corev1.EmptyDirVolumeSource{} // the API's default for a volume without a source
		return out, nil
	}
	if err != nil {
		return capsule.Volume{}, err
	}
	out.Files = &capsule.FilesVolume{Items: f.list(), Sensitive: f.sensitive}
	return out, nil
}

// volumeField is the path of a volume in the Pod.
func volumeField(pod *corev1.Pod, name string) string {
	return fmt.Sprintf("spec.volumes[%d]", slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name }))
}

// defaultMode is that of files of every kind of volume.
const defaultMode = corev1.ConfigMapVolumeSourceDefaultMode

// files gathers the files of one volume; a later file replaces an earlier one of the same path.
type files struct {
	pod       *corev1.Pod
	src       *Sources
	volume    string
	mode      int32
	sensitive bool
	byPath    map[string]capsule.File
}

func (f *files) put(p string, content []byte, mode *int32) error {
	clean := path.Clean(p)
	if p == "" || path.IsAbs(p) || podspec.Climbs(p) || clean == "." {
		return support.Refusals{{Field: volumeField(f.pod, f.volume) + ".items.path", Reason: `"` + p + `" leaves the volume`}}
	}
	if f.byPath == nil {
		f.byPath = map[string]capsule.File{}
	}
	if content == nil {
		content = []byte{} // nothing at all would stand for what a view hides
	}
	bits := f.mode
	if mode != nil {
		bits = *mode
	}
	f.byPath[clean] = capsule.File{Path: clean, Content: content, Mode: &bits}
	return nil
}

func (f *files) list() []capsule.File {
	list := make([]capsule.File, 0, len(f.byPath))
	for _, p := range sortedKeys(f.byPath) {
		list = append(list, f.byPath[p])
	}
	return list
}

func (f *files) missing(kind SourceKind, name, key string) *Missing {
	return &Missing{Kind: kind, Namespace: f.pod.Namespace, Name: name, Key: key, Volume: f.volume}
}

func (f *files) configMap(name string, items []corev1.KeyToPath, optional bool) error {
	m, ok := f.src.ConfigMaps[name]
	if !ok {
		return unless(optional, f.missing(SourceConfigMap, name, ""))
	}
	data := make(map[string][]byte, len(m.Data)+len(m.BinaryData))
	for k, v := range m.Data {
		data[k] = []byte(v)
	}
	for k, v := range m.BinaryData {
		data[k] = v
	}
	return f.keys(SourceConfigMap, name, data, items, optional)
}

func (f *files) secret(name string, items []corev1.KeyToPath, optional bool) error {
	s, ok := f.src.Secrets[name]
	if !ok {
		return unless(optional, f.missing(SourceSecret, name, ""))
	}
	return f.keys(SourceSecret, name, s.Data, items, optional)
}

func (f *files) keys(kind SourceKind, name string, data map[string][]byte, items []corev1.KeyToPath, optional bool) error {
	if len(items) == 0 {
		for _, k := range sortedKeys(data) {
			if err := f.put(k, data[k], nil); err != nil {
				return err
			}
		}
		return nil
	}
	for _, item := range items {
		content, ok := data[item.Key]
		if !ok {
			if optional {
				continue
			}
			return f.missing(kind, name, item.Key)
		}
		if err := f.put(item.Path, content, item.Mode); err != nil {
			return err
		}
	}
	return nil
}

func (f *files) downward(items []corev1.DownwardAPIVolumeFile) error {
	for _, item := range items {
		var value string
		switch {
		case item.FieldRef != nil:
			value = podField(f.pod, item.FieldRef.FieldPath, f.src)
		case item.ResourceFieldRef != nil:
			var err error
			if value, err = resourceField(f.pod, nil, item.ResourceFieldRef, f.src); err != nil {
				return err
			}
		}
		if err := f.put(item.Path, []byte(value), item.Mode); err != nil {
			return err
		}
	}
	return nil
}

func (f *files) projected(sources []corev1.VolumeProjection) error {
	for _, s := range sources {
		var err error
		switch {
		case s.ConfigMap != nil:
			err = f.configMap(s.ConfigMap.Name, s.ConfigMap.Items, isTrue(s.ConfigMap.Optional))
		case s.Secret != nil:
			f.sensitive = true
			err = f.secret(s.Secret.Name, s.Secret.Items, isTrue(s.Secret.Optional))
		case s.DownwardAPI != nil:
			err = f.downward(s.DownwardAPI.Items)
		case s.ClusterTrustBundle != nil:
			err = f.trust(s.ClusterTrustBundle)
		case s.ServiceAccountToken != nil:
			f.sensitive = true
			token, ok := f.src.Tokens[tokenOf(s.ServiceAccountToken)]
			if !ok {
				return f.missing(SourceToken, f.pod.Spec.ServiceAccountName, "")
			}
			err = f.token(s.ServiceAccountToken.Path, token)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// token puts a token where only the user that all containers run as can read it, if they run as one, and the volume's group
// (kubelet: pkg/volume/projected).
func (f *files) token(p, token string) error { return f.owned(p, []byte(token)) }

// owned puts a file for the user that all containers run as, if they run as one, and for the volume's group.
func (f *files) owned(p string, content []byte) error {
	mode, user := f.mode, oneUser(f.pod)
	sc := f.pod.Spec.SecurityContext
	if user != nil || sc != nil && sc.FSGroup != nil {
		mode = 0o600 // the group's bits come with the group
	}
	if err := f.put(p, content, &mode); err != nil {
		return err
	}
	file := f.byPath[path.Clean(p)]
	file.User = user
	f.byPath[file.Path] = file
	return nil
}

// oneUser is the user that every container of the pod is asked to run as, nil when there is no such one.
func oneUser(pod *corev1.Pod) *int64 {
	var one *int64
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			var user *int64
			if sc := pod.Spec.SecurityContext; sc != nil {
				user = sc.RunAsUser
			}
			if sc := list[i].SecurityContext; sc != nil && sc.RunAsUser != nil {
				user = sc.RunAsUser
			}
			if user == nil || one != nil && *one != *user {
				return nil
			}
			one = user
		}
	}
	return one
}
