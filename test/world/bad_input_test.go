package world

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	k8stesting "k8s.io/client-go/testing"
)

// bad is something wrong around a pod, what the pod says of it, and how it is put right.
type bad struct {
	name string
	edit func(*corev1.Pod)
	// waiting is the reason of the container, and message what there is to read, in its status or the pod's.
	waiting, message string
	event, told      string // an event's reason, and what its message has in it
	source           string // the object that is watched for
	mend             func() error
}

// mounts gives the pod one volume at /v.
func mounts(source corev1.VolumeSource, subPath string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: source}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v", SubPath: subPath}}
	}
}

func fromSecret(name, key string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}}}}
	}
}

// What is wrong around a pod keeps it waiting with the kubelet's reason and words, and no longer than it is wrong.
func TestBadInputThatIsPutRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := w.api.CoreV1()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: namespace} }
	root := t.TempDir()
	wrong, outward := filepath.Join(root, "wrong"), filepath.Join(root, "volume", "out")
	if err := errors.Join(os.WriteFile(wrong, nil, 0o600), os.Mkdir(filepath.Dir(outward), 0o755), os.Symlink("/etc", outward)); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Secrets(namespace).Create(w.ctx, &corev1.Secret{ObjectMeta: meta("half")}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: namespace, UID: "claim"}}
	if _, err := core.PersistentVolumeClaims(namespace).Create(w.ctx, claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	host := func(path string, kind corev1.HostPathType) corev1.VolumeSource {
		return corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}}
	}
	profile := filepath.Join(w.dir, "seccomp", "p.json")
	for _, row := range []bad{
		{"no ConfigMap for a volume", mounts(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "none"}}}, ""),
			"ContainerCreating", "", "FailedMount", `MountVolume.SetUp failed for volume "v" : configmap "none" not found`, "none", func() error {
				_, err := core.ConfigMaps(namespace).Create(w.ctx, &corev1.ConfigMap{ObjectMeta: meta("none")}, metav1.CreateOptions{})
				return err
			}},
		{"no Secret for a variable", fromSecret("nothing", "k"), "CreateContainerConfigError", `secret "nothing" not found`,
			"Failed", `Error: secret "nothing" not found`, "nothing", func() error {
				_, err := core.Secrets(namespace).Create(w.ctx, &corev1.Secret{ObjectMeta: meta("nothing"), Data: map[string][]byte{"k": nil}}, metav1.CreateOptions{})
				return err
			}},
		{"a Secret without the key", fromSecret("half", "k"), "CreateContainerConfigError", "couldn't find key k in Secret shop/half",
			"Failed", "Error: couldn't find key k in Secret shop/half", "half", func() error {
				_, err := core.Secrets(namespace).Update(w.ctx, &corev1.Secret{ObjectMeta: meta("half"), Data: map[string][]byte{"k": nil}}, metav1.UpdateOptions{})
				return err
			}},
		{"an unbound claim", mounts(corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}, ""),
			"ContainerCreating", "", "FailedMount", "error processing PVC shop/data: PVC is not bound", "data", func() error {
				_, err := core.PersistentVolumes().Create(w.ctx, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "disk"},
					Spec: corev1.PersistentVolumeSpec{ClaimRef: &corev1.ObjectReference{UID: "claim"}, PersistentVolumeSource: corev1.PersistentVolumeSource{
						HostPath: &corev1.HostPathVolumeSource{Path: root}}}}, metav1.CreateOptions{})
				claim.Spec.VolumeName, claim.Status.Phase = "disk", corev1.ClaimBound
				_, also := core.PersistentVolumeClaims(namespace).Update(w.ctx, claim, metav1.UpdateOptions{})
				return errors.Join(err, also)
			}},
		{"a file where a directory is asked for", mounts(host(wrong, corev1.HostPathDirectory), ""), "ContainerCreating", "", "FailedMount",
			`MountVolume.SetUp failed for volume "v" : hostPath type check failed: ` + wrong + " is not a directory", "", func() error {
				return errors.Join(os.Remove(wrong), os.Mkdir(wrong, 0o755))
			}},
		{"nothing where a file is asked for", mounts(host(filepath.Join(root, "absent"), corev1.HostPathFile), ""), "ContainerCreating", "", "FailedMount",
			"absent is not a file", "", func() error { return os.WriteFile(filepath.Join(root, "absent"), nil, 0o600) }},
		{"a subPath that leads out", mounts(host(filepath.Dir(outward), corev1.HostPathDirectory), "out/x"), "CreateContainerConfigError",
			`volumeMount "v" of container "app"`, "Failed", `subPath`, "", func() error {
				return errors.Join(os.Remove(outward), os.Mkdir(outward, 0o755))
			}},
		{"no seccomp profile", func(p *corev1.Pod) {
			name := "p.json"
			p.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: &name}}
		}, "CreateContainerError", `cannot load seccomp profile "` + profile + `": no such file or directory`, "Failed", "cannot load seccomp profile", "", func() error {
			return errors.Join(os.MkdirAll(filepath.Dir(profile), 0o755), os.WriteFile(profile, []byte("{}"), 0o644))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := *w
			w.t = t
			uid := w.create(strings.ReplaceAll(strings.ToLower(row.name), " ", "-"), row.edit)
			w.await(uid, "waiting with "+row.waiting, func(p *corev1.Pod) bool {
				s := app(p).State.Waiting
				return p.Status.Phase == corev1.PodPending && s != nil && s.Reason == row.waiting && strings.Contains(s.Message, row.message)
			})
			w.told(uid, row.event, row.told)
			w.watches(row.source)
			if err := row.mend(); err != nil {
				t.Fatal(err)
			}
			w.await(uid, "ready once it is put right", ready)
		})
	}
}

// watches waits until the node watches the object of that name: this API server loses a change between a list and a watch.
func (w *world) watches(name string) {
	w.t.Helper()
	for end := time.Now().Add(patience); name != ""; time.Sleep(10 * time.Millisecond) {
		for _, a := range w.api.Actions() {
			if a, ok := a.(k8stesting.WatchAction); ok && a.GetWatchRestrictions().Fields.String() == "metadata.name="+name {
				return
			}
		}
		if time.Now().After(end) {
			w.t.Fatalf("nobody watches %s", name)
		}
	}
}

// told waits until an event of the pod says so.
func (w *world) told(uid types.UID, reason, words string) {
	w.t.Helper()
	if !w.api.await(func() bool {
		for _, e := range w.api.eventsOf(uid) {
			if e.Reason == reason && strings.Contains(e.Message, words) {
				return true
			}
		}
		return false
	}) {
		w.t.Fatalf("no event %s says %q; the pod:\n%s", reason, words, w.describe(uid))
	}
}

// What can never work fails at once, with the kubelet's reason or with the name of the field, and nothing is started.
func TestBadInputForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // a node that does not know its hosts yet takes everything
		node, err := w.api.CoreV1().Nodes().Get(w.ctx, nodeName, metav1.GetOptions{})
		if err == nil && !node.Status.Allocatable.Cpu().IsZero() {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the node never knew its hosts: %+v, %v", node, err)
		}
	}
	for _, row := range []struct {
		name                  string
		edit                  func(*corev1.Pod)
		reason, message, told string
	}{
		{"a raw device", func(p *corev1.Pod) {
			p.Spec.Containers[0].VolumeDevices = []corev1.VolumeDevice{{Name: "v", DevicePath: "/dev/x"}}
		}, "UnsupportedField", "spec.containers[0].volumeDevices: raw block devices cannot be given to a capsule", "spec.containers[0].volumeDevices"},
		{"a resource that nobody has", func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
		}, "UnsupportedField", "spec.containers[0].resources.limits[nvidia.com/gpu]: no host of this node offers this resource", "nvidia.com/gpu"},
		{"a volume that this node cannot mount", mounts(corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: "d"}}, ""),
			"UnsupportedField", "spec.volumes[0].csi: this node cannot mount volumes of this kind", "spec.volumes[0].csi"},
		{"a subPath that climbs", mounts(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}, "../x"),
			"UnsupportedField", `spec.containers[0].volumeMounts[0].subPath: "../x" leaves the volume`, "volumeMounts[0].subPath"},
		{"an unsafe sysctl", func(p *corev1.Pod) {
			p.Spec.SecurityContext = &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "kernel.msgmax", Value: "1"}}}
		}, "SysctlForbidden", `Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted`, "kernel.msgmax"},
		{"AppArmor that no host has", func(p *corev1.Pod) {
			p.Spec.SecurityContext = &corev1.PodSecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}}
		}, "AppArmor", "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host", "Cannot enforce AppArmor"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := *w
			w.t = t
			uid := w.create(strings.ReplaceAll(strings.ToLower(row.name), " ", "-"), row.edit)
			p := w.await(uid, "Failed", phase(corev1.PodFailed))
			if p.Status.Reason != row.reason || p.Status.Message != row.message {
				t.Errorf("%s %q, want %s %q", p.Status.Reason, p.Status.Message, row.reason, row.message)
			}
			w.told(uid, row.reason, row.told)
			if left := w.containersOf(uid); len(left) > 0 {
				t.Errorf("containers %v", left)
			}
		})
	}
}

// What only another pod can put right keeps this one waiting and says why.
func TestBadInputThatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := w.create("no-name", image("Not An Image"))
	w.await(uid, "waiting with InvalidImageName", func(p *corev1.Pod) bool {
		s := app(p).State.Waiting
		return s != nil && s.Reason == "InvalidImageName" &&
			strings.HasPrefix(s.Message, `Failed to apply default image tag "Not An Image": couldn't parse image name "Not An Image": invalid reference format`)
	})
	w.told(uid, "InspectFailed", `Failed to apply default image tag "Not An Image": couldn't parse image name`)
	class := "nobody"
	uid = w.create("no-class", func(p *corev1.Pod) { p.Spec.RuntimeClassName = &class })
	w.told(uid, "FailedCreatePodSandBox", `failed to get runtime handler: runtimeclass.node.k8s.io "nobody" not found`)
	if _, err := w.api.NodeV1().RuntimeClasses().Create(w.ctx, &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "nobody"}, Handler: "runc"},
		metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.await(uid, "ready once there is such a class", ready)
	absent := "absent"
	if _, err := w.api.NodeV1().RuntimeClasses().Create(w.ctx, &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: absent}, Handler: "gvisor"},
		metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	uid = w.create("no-runtime", func(p *corev1.Pod) { p.Spec.RuntimeClassName = &absent })
	w.told(uid, "NoHost", "needs gvisor, has runc")
}
