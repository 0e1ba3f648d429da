package template_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

func TestParseOfEncodeIsTheSame(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	for range 500 {
		want, wantUID := g.spec(), ""
		if g.coin() {
			wantUID = uuid.NewString()
		}
		doc, err := template.Encode(want, wantUID)
		if err != nil {
			t.Fatal(err)
		}
		got, uid, err := template.Parse(doc)
		if err != nil {
			t.Fatalf("Parse: %v\n%s", err, doc)
		}
		if uid != wantUID || !equality.Semantic.DeepEqual(got, want) {
			t.Fatalf("uid %q, want %q\n%s", uid, wantUID, cmp.Diff(want, got))
		}
	}
}

// generator makes specs that keep the rules and have their defaults.
type generator struct{ *rand.Rand }

func (g generator) coin() bool { return g.IntN(2) == 0 }

func maybe[T any](g generator, v T) *T {
	if g.coin() {
		return nil
	}
	return &v
}

func (g generator) word() string { return fmt.Sprintf("w%x", g.Uint32()) }

func (g generator) text() string {
	return []string{"", "$(A) $$", "1", "true", "null", "ü \"quoted\"\n", "{\"a\":1}", g.word()}[g.IntN(8)]
}

func (g generator) texts() []string {
	var list []string
	for range g.IntN(4) {
		list = append(list, g.text())
	}
	return list
}

func (g generator) words() map[string]string {
	if g.coin() {
		return nil
	}
	return map[string]string{g.word(): g.text(), "app.kubernetes.io/name": g.text()}
}

func (g generator) spec() capsule.Spec {
	s := capsule.Spec{
		Name: g.word(), Labels: g.words(), Annotations: g.words(), Hash: g.text(), AvailabilityZone: g.word(),
		RestartPolicy:                 []capsule.RestartPolicy{"Always", "OnFailure", "Never"}[g.IntN(3)],
		TerminationGracePeriodSeconds: maybe(g, g.Int64N(100)), ActiveDeadlineSeconds: maybe(g, 1+g.Int64N(100)),
		Hostname: g.word(), DNS: maybe(g, capsule.DNS{Nameservers: []string{"10.0.0.1", "fd00::1"}, Options: []string{"ndots:5"}}),
		HostNetwork: g.coin(), HostPID: g.coin(), HostIPC: g.coin(), ShareProcessNamespace: g.coin(),
		SecurityContext: maybe(g, corev1.PodSecurityContext{RunAsUser: maybe(g, g.Int64N(1000)), FSGroup: maybe(g, g.Int64N(9))}),
	}
	if g.coin() {
		s.HostAliases = []corev1.HostAlias{{IP: "127.0.0.1", Hostnames: []string{"a.b"}}}
	}
	if !s.HostNetwork && g.coin() {
		s.Nets = []capsule.Net{{Network: g.word(), IPv4: "10.0.0.9"}, {Network: uuid.NewString(), IPv6: "fd00::9"}}
	}
	var volumes []string
	for range g.IntN(4) {
		v := g.volume()
		s.Volumes, volumes = append(s.Volumes, v), append(volumes, v.Name)
	}
	for range g.IntN(3) {
		c := g.container(volumes)
		c.RestartPolicy = maybe(g, corev1.ContainerRestartPolicyAlways)
		s.InitContainers = append(s.InitContainers, c)
	}
	for range 1 + g.IntN(3) {
		c := g.container(volumes)
		c.LivenessProbe, c.ReadinessProbe = g.probe(false), g.probe(true)
		c.Lifecycle = maybe(g, corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3}}})
		s.Containers = append(s.Containers, c)
	}
	return s
}

func (g generator) volume() capsule.Volume {
	v := capsule.Volume{Name: g.word()}
	switch g.IntN(5) {
	case 3:
		v.NFS, v.MountOptions = &corev1.NFSVolumeSource{Server: g.word(), Path: "/" + g.word(), ReadOnly: g.coin()}, []string{g.word()}
	case 4:
		v.Local, v.ReadOnly = &corev1.LocalVolumeSource{Path: "/" + g.word()}, g.coin()
	case 0:
		v.EmptyDir = &corev1.EmptyDirVolumeSource{SizeLimit: maybe(g, g.quantity())}
	case 1:
		v.HostPath = &corev1.HostPathVolumeSource{Path: "/" + g.word(), Type: maybe(g, corev1.HostPathDirectory)}
	default:
		v.Files = &capsule.FilesVolume{Sensitive: g.coin(), Items: []capsule.File{
			{Path: "a/" + g.word(), Content: []byte(g.text() + "\x00\xff"), Mode: maybe(g, g.Int32N(0o777))}}}
	}
	return v
}

// quantity includes those that Zun would take for MiB.
func (g generator) quantity() resource.Quantity {
	n := 1 + g.Int64N(1<<32)
	text := []string{"%d", "%dMi", "%dM", "%dki"}[g.IntN(3)]
	return resource.MustParse(fmt.Sprintf(text, n))
}

func (g generator) container(volumes []string) capsule.ContainerSpec {
	c := capsule.ContainerSpec{
		Name: g.word(), Image: g.word() + ":1", Command: g.texts(), Args: g.texts(), WorkDir: "/" + g.word(), Labels: g.words(),
		ImagePullPolicy: []corev1.PullPolicy{"Always", "IfNotPresent", "Never"}[g.IntN(3)],
		Stdin:           g.coin(), StdinOnce: g.coin(), TTY: g.coin(), TerminationMessagePath: "/" + g.word(),
		TerminationMessagePolicy: []corev1.TerminationMessagePolicy{"", "File", "FallbackToLogsOnError"}[g.IntN(3)],
		SecurityContext: maybe(g, corev1.SecurityContext{Privileged: maybe(g, true),
			Capabilities: maybe(g, corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}})}),
	}
	for range g.IntN(4) {
		c.Env = append(c.Env, capsule.EnvVar{Name: g.word(), Value: g.text(), Literal: g.coin(), Sensitive: g.coin(),
			Ref: []capsule.Reference{"", capsule.RefCapsuleAddress, capsule.RefHostAddresses}[g.IntN(3)]})
	}
	for range g.IntN(3) {
		c.Ports = append(c.Ports, capsule.Port{ContainerPort: 1 + g.Int32N(65535), Protocol: []corev1.Protocol{"", "UDP"}[g.IntN(2)]})
	}
	for _, v := range volumes {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: v, MountPath: "/" + v, ReadOnly: g.coin()})
	}
	if g.coin() {
		memory := g.quantity()
		c.Resources.Requests = corev1.ResourceList{"memory": memory, "cpu": resource.MustParse("32"), "ephemeral-storage": g.quantity()}
		if g.coin() {
			c.Resources.Limits = corev1.ResourceList{"memory": memory}
		}
	}
	return c
}

func (g generator) probe(readiness bool) *corev1.Probe {
	p := corev1.Probe{InitialDelaySeconds: g.Int32N(9), PeriodSeconds: g.Int32N(9), FailureThreshold: g.Int32N(9)}
	switch g.IntN(5) {
	case 0:
		return nil
	case 1:
		p.Exec = &corev1.ExecAction{Command: []string{g.word(), g.text()}}
	case 2:
		p.HTTPGet = &corev1.HTTPGetAction{Port: intstr.FromInt32(80), Path: "/", Scheme: "HTTPS",
			HTTPHeaders: []corev1.HTTPHeader{{Name: "X-A", Value: g.word()}}}
	case 3:
		p.TCPSocket = &corev1.TCPSocketAction{Port: intstr.FromString("http")}
	default:
		p.GRPC = &corev1.GRPCAction{Port: 1, Service: maybe(g, g.word())}
	}
	if readiness {
		p.SuccessThreshold = g.Int32N(5)
	}
	return &p
}

// Whatever Parse accepts can be encoded and comes back; it never panics.
func FuzzParse(f *testing.F) {
	f.Add([]byte(quickStart))
	f.Add([]byte(base))
	if example, err := os.ReadFile("../../../examples/capsule.yaml"); err == nil {
		f.Add(example)
	}
	g := generator{rand.New(rand.NewPCG(1, 2))}
	for range 20 {
		doc, err := template.Encode(g.spec(), uuid.NewString())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
		if text, err := json.Marshal(string(doc)); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		want, wantUID, err := template.Parse(body)
		if err != nil {
			return
		}
		doc, err := template.Encode(want, wantUID)
		if err != nil {
			t.Fatalf("Encode of what Parse accepts: %v", err)
		}
		if len(doc) > template.MaxBytes {
			return
		}
		got, uid, err := template.Parse(doc)
		if err != nil || uid != wantUID || !equality.Semantic.DeepEqual(got, want) {
			t.Fatalf("%v, uid %q, want %q\n%s", err, uid, wantUID, cmp.Diff(want, got))
		}
	})
}
