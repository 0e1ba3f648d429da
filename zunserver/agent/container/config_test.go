package container_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

const uuid = "7c2b7d1e-7f2b-4f4e-9d0b-0c7c3f4b5a69"

// scene is what one container is made of.
type scene struct {
	c     *capsule.Capsule
	img   runtime.Image
	place container.Place
}

func (s *scene) app() *capsule.ContainerSpec { return &s.c.Spec.Containers[0] }

// good is a capsule with one container that asks for nothing, on a host of 1000 MiB.
func good() *scene {
	return &scene{
		c: &capsule.Capsule{UUID: uuid, Spec: capsule.Spec{
			Name: "web", RestartPolicy: capsule.RestartAlways,
			Containers: []capsule.ContainerSpec{{Name: "app", Image: "nginx"}},
		}},
		img: runtime.Image{ID: "sha256:1"},
		place: container.Place{
			Instance: "test", MemoryBytes: 1000 << 20,
			Refs: map[capsule.Reference]string{
				capsule.RefCapsuleAddress: "10.0.0.2", capsule.RefCapsuleAddresses: "10.0.0.2,fd00::2",
				capsule.RefHostAddress: "192.0.2.1", capsule.RefHostAddresses: "192.0.2.1",
			},
			Mounts: map[string]runtime.Mount{
				"data":   {Kind: runtime.MountBind, Source: "/state/data"},
				"config": {Kind: runtime.MountBind, Source: "/state/config", ReadOnly: true},
			},
		},
	}
}

func (s *scene) config() (runtime.ContainerConfig, error) {
	id := runtime.Identity{
		Instance: "test", Capsule: uuid, CapsuleName: s.c.Spec.Name, Container: "app", Attempt: 2, SandboxAttempt: 1,
	}
	return container.Config(s.c, s.app(), s.img, s.place, id, "sandbox-id")
}

func (s *scene) must(t *testing.T) runtime.ContainerConfig {
	t.Helper()
	cfg, err := s.config()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestTheWholeOfIt(t *testing.T) {
	t.Parallel()
	s := good()
	a := s.app()
	a.Command, a.Args, a.WorkDir = []string{"/bin/app"}, []string{"--for=$(WHO)"}, "/srv"
	a.Env = []capsule.EnvVar{{Name: "WHO", Value: "all"}}
	a.Labels = map[string]string{"tier": "front"}
	a.Stdin, a.StdinOnce, a.TTY = true, true, true
	quit := corev1.SIGQUIT
	a.Lifecycle = &corev1.Lifecycle{StopSignal: &quit}
	a.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data/"}}
	s.c.Spec.ShareProcessNamespace, s.c.Spec.HostIPC = true, true
	score := 1000
	want := runtime.ContainerConfig{
		Name: "capsulet_app_web_" + uuid + "_2",
		Identity: runtime.Identity{
			Instance: "test", Capsule: uuid, CapsuleName: "web", Container: "app", Attempt: 2, SandboxAttempt: 1,
		},
		Labels: map[string]string{"tier": "front"}, Image: "nginx",
		Command: []string{"/bin/app"}, Args: []string{"--for=all"}, WorkDir: "/srv", Env: []string{"WHO=all"},
		Sandbox: "sandbox-id", SharePID: true, HostIPC: true,
		Mounts:    []runtime.Mount{{Kind: runtime.MountBind, Source: "/state/data", Target: "/data"}},
		Resources: runtime.Resources{CPUShares: 2}, OOMScoreAdj: &score,
		Stdin: true, StdinOnce: true, TTY: true, StopSignal: "SIGQUIT",
	}
	if diff := cmp.Diff(want, s.must(t)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestSandbox(t *testing.T) {
	t.Parallel()
	base := runtime.ContainerConfig{
		Name:     "capsulet-sandbox_web_" + uuid + "_3",
		Identity: runtime.Identity{Instance: "test", Capsule: uuid, CapsuleName: "web", Attempt: 3, SandboxAttempt: 3},
		Hostname: "web", Resources: runtime.Resources{CPUShares: 2},
	}
	for _, row := range []struct {
		name string
		edit func(*capsule.Spec)
		want func(*runtime.ContainerConfig)
	}{
		{"plain", func(*capsule.Spec) {}, func(*runtime.ContainerConfig) {}},
		{"a hostname", func(s *capsule.Spec) { s.Hostname = "box" }, func(c *runtime.ContainerConfig) { c.Hostname = "box" }},
		{"a name that is no hostname", func(s *capsule.Spec) { s.Hostname, s.Name = "", "my_web" }, func(c *runtime.ContainerConfig) {
			c.Name, c.Identity.CapsuleName, c.Hostname = "capsulet-sandbox_my-web_"+uuid+"_3", "my_web", "my-web"
		}},
		{"a long name", func(s *capsule.Spec) { s.Name = strings.Repeat("a", 62) + "-b" }, func(c *runtime.ContainerConfig) {
			c.Name = "capsulet-sandbox_" + strings.Repeat("a", 40) + "_" + uuid + "_3"
			c.Identity.CapsuleName, c.Hostname = strings.Repeat("a", 62)+"-b", strings.Repeat("a", 62)
		}},
		{"the host's network", func(s *capsule.Spec) {
			s.HostNetwork = true
			s.Containers[0].Ports = []capsule.Port{{ContainerPort: 80, HostPort: 80}}
		}, func(c *runtime.ContainerConfig) { c.Network, c.Hostname = "host", "" }},
		{"the host's processes", func(s *capsule.Spec) { s.HostPID, s.HostIPC = true, true }, func(c *runtime.ContainerConfig) {
			c.HostPID, c.HostIPC = true, true
		}},
		{"names", func(s *capsule.Spec) { s.DNS = &capsule.DNS{Nameservers: []string{"10.96.0.10"}} }, func(c *runtime.ContainerConfig) {
			c.DNS = &capsule.DNS{Nameservers: []string{"10.96.0.10"}}
		}},
		{"sysctls", func(s *capsule.Spec) {
			s.SecurityContext = &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "net.core.somaxconn", Value: "9"}}}
		}, func(c *runtime.ContainerConfig) { c.Sysctls = map[string]string{"net.core.somaxconn": "9"} }},
		{"ports of the host", func(s *capsule.Spec) {
			s.Containers[0].Ports = []capsule.Port{
				{ContainerPort: 80, HostPort: 8080},
				{ContainerPort: 53, HostPort: 5353, HostIP: "127.0.0.1", Protocol: corev1.ProtocolUDP},
				{ContainerPort: 90},
			}
			s.InitContainers = []capsule.ContainerSpec{{Ports: []capsule.Port{{ContainerPort: 1, HostPort: 2, Protocol: "SCTP"}}}}
		}, func(c *runtime.ContainerConfig) {
			c.Ports = []runtime.PortMapping{
				{ContainerPort: 80, HostPort: 8080, Protocol: "tcp"},
				{ContainerPort: 53, HostPort: 5353, HostIP: "127.0.0.1", Protocol: "udp"},
				{ContainerPort: 1, HostPort: 2, Protocol: "sctp"},
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, want := good(), base
			row.edit(&s.c.Spec)
			row.want(&want)
			if diff := cmp.Diff(want, container.Sandbox(s.c, s.place, 3)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// TestNamesAreDockers: the engine accepts [a-zA-Z0-9][a-zA-Z0-9_.-]+ and nothing else.
func TestNamesAreDockers(t *testing.T) {
	t.Parallel()
	rule := regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)
	seen := map[string]bool{}
	for _, name := range []string{"web", "", "-", "Grüße 世界", "a/b:c", "a_b", strings.Repeat("x", 255), strings.Repeat("世", 90)} {
		c := &capsule.Capsule{UUID: uuid, Spec: capsule.Spec{Name: name}}
		for _, app := range []string{"", "app"} {
			got := container.Name(c, app, 7)
			if !rule.MatchString(got) || len(got) > 140 || !strings.HasSuffix(got, "_"+uuid+"_7") || strings.Count(got, "_") > 4 {
				t.Errorf("name of %q: %q", name, got)
			}
			if got != container.Name(c, app, 7) || got == container.Name(c, app, 8) {
				t.Errorf("%q is not that of one attempt", got)
			}
			seen[got] = true
		}
	}
	if a, b := container.Name(&capsule.Capsule{UUID: "u"}, "", 0), container.Name(&capsule.Capsule{UUID: "u"}, "sandbox", 0); a == b {
		t.Errorf("a container called sandbox has the sandbox's name: %s", a)
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	list := func(cpu, memory string) corev1.ResourceList {
		l := corev1.ResourceList{}
		if cpu != "" {
			l[corev1.ResourceCPU] = resource.MustParse(cpu)
		}
		if memory != "" {
			l[corev1.ResourceMemory] = resource.MustParse(memory)
		}
		return l
	}
	for _, row := range []struct {
		name              string
		requests, limits  corev1.ResourceList
		score             int
		shares, quota, mb int64
	}{
		{"nothing asked: BestEffort", nil, nil, 1000, 2, 0, 0},
		{"all limited: Guaranteed", nil, list("500m", "100Mi"), -997, 512, 50_000, 100},
		{"all limited and asked: Guaranteed", list("2", "100Mi"), list("2", "100Mi"), -997, 2048, 200_000, 100},
		{"asked less than limited", list("1", "100Mi"), list("2", "200Mi"), 900, 1024, 200_000, 200},
		{"only CPU", list("250m", ""), nil, 999, 256, 0, 0},
		{"only a limit of memory", nil, list("", "300Mi"), 999, 2, 0, 300},
		{"half of the memory", list("", "500Mi"), nil, 500, 2, 0, 0},
		{"all of the memory", list("", "1000Mi"), nil, 3, 2, 0, 0},
		{"more than there is", list("", "9Gi"), nil, 3, 2, 0, 0},
		{"hardly any CPU", list("1m", ""), list("1m", ""), 999, 2, 1000, 0},
		{"more CPU than shares", list("1k", ""), nil, 999, 262144, 0, 0},
		{"zeros are nothing", list("0", "0"), list("0", "0"), 1000, 2, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			s.app().Resources = corev1.ResourceRequirements{Requests: row.requests, Limits: row.limits}
			cfg := s.must(t)
			if *cfg.OOMScoreAdj != row.score {
				t.Errorf("OOM score %d, want %d", *cfg.OOMScoreAdj, row.score)
			}
			want := runtime.Resources{CPUShares: row.shares, MemoryBytes: row.mb << 20, MemorySwapBytes: row.mb << 20}
			if row.quota > 0 {
				want.CPUPeriodMicros, want.CPUQuotaMicros = 100_000, row.quota
			}
			if diff := cmp.Diff(want, cfg.Resources); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestQoSIsOfTheWholeCapsule(t *testing.T) {
	t.Parallel()
	limits := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("100Mi")}
	s := good()
	s.app().Resources.Limits = limits
	s.c.Spec.InitContainers = []capsule.ContainerSpec{{Name: "init"}}
	if got := *s.must(t).OOMScoreAdj; got != 999 {
		t.Errorf("with an init container that asks for nothing: %d, want 999", got)
	}
	s.c.Spec.InitContainers[0].Resources.Limits = limits
	if got := *s.must(t).OOMScoreAdj; got != -997 {
		t.Errorf("with an init container that is limited too: %d, want -997", got)
	}
	s.c.Spec.InitContainers, s.place.MemoryBytes = []capsule.ContainerSpec{{Name: "init"}}, 0
	if got := *s.must(t).OOMScoreAdj; got != 999 {
		t.Errorf("on a host of unknown memory: %d, want 999", got)
	}
}

// What a capsule asks for as a whole is the limit of a container that has none, decides on the class, and what its
// containers leave of it protects each of them.
func TestResourcesOfTheWhole(t *testing.T) {
	t.Parallel()
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	for _, row := range []struct {
		name             string
		requests, limits corev1.ResourceList
		own              corev1.ResourceRequirements
		score            int
		quota, mb        int64
	}{
		{"limited as a whole: Guaranteed", list("1", "400Mi"), list("1", "400Mi"), corev1.ResourceRequirements{}, -997, 100_000, 400},
		{"its own limit is less", list("1", "400Mi"), list("1", "400Mi"), corev1.ResourceRequirements{Limits: list("500m", "100Mi")}, -997, 50_000, 100},
		{"asked as a whole, for two containers", list("1", "400Mi"), nil, corev1.ResourceRequirements{}, 800, 0, 0},
		{"one of them asks itself", list("1", "400Mi"), nil, corev1.ResourceRequirements{Requests: list("1", "100Mi")}, 750, 0, 0},
		{"the parts decide no class", list("1", "400Mi"), list("2", "800Mi"), corev1.ResourceRequirements{Limits: list("1", "100Mi")}, 750, 100_000, 100},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			s.c.Spec.Containers = append(s.c.Spec.Containers, capsule.ContainerSpec{Name: "other"})
			s.c.Spec.Resources = corev1.ResourceRequirements{Requests: row.requests, Limits: row.limits}
			s.app().Resources = row.own
			if row.own.Requests == nil {
				s.app().Resources.Requests = row.own.Limits // as the API server makes it
			}
			cfg := s.must(t)
			if *cfg.OOMScoreAdj != row.score || cfg.Resources.CPUQuotaMicros != row.quota || cfg.Resources.MemoryBytes != row.mb<<20 {
				t.Errorf("score %d, quota %d, memory %d", *cfg.OOMScoreAdj, cfg.Resources.CPUQuotaMicros, cfg.Resources.MemoryBytes>>20)
			}
		})
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	down, both := corev1.MountPropagationHostToContainer, corev1.MountPropagationBidirectional
	for _, row := range []struct {
		name   string
		mount  corev1.VolumeMount
		want   runtime.Mount
		failed string
	}{
		{"writable", corev1.VolumeMount{Name: "data", MountPath: "/d"}, runtime.Mount{Source: "/state/data", Target: "/d"}, ""},
		{"read-only", corev1.VolumeMount{Name: "data", MountPath: "/d", ReadOnly: true},
			runtime.Mount{Source: "/state/data", Target: "/d", ReadOnly: true}, ""},
		{"files stay read-only", corev1.VolumeMount{Name: "config", MountPath: "/c"},
			runtime.Mount{Source: "/state/config", Target: "/c", ReadOnly: true}, ""},
		{"downwards", corev1.VolumeMount{Name: "data", MountPath: "/d", MountPropagation: &down},
			runtime.Mount{Source: "/state/data", Target: "/d", Propagation: "rslave"}, ""},
		{"both ways", corev1.VolumeMount{Name: "data", MountPath: "/d", MountPropagation: &both},
			runtime.Mount{Source: "/state/data", Target: "/d", Propagation: "rshared"}, ""},
		{"unknown", corev1.VolumeMount{Name: "x", MountPath: "/d"}, runtime.Mount{}, `volume mount "x" names a volume that is not there`},
		{"a part of it", corev1.VolumeMount{Name: "config", MountPath: "/d", SubPath: "sub"},
			runtime.Mount{Source: "/state/sub", Target: "/d", ReadOnly: true}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			s.app().VolumeMounts = []corev1.VolumeMount{row.mount}
			if row.mount.SubPath != "" {
				s.place.SubPaths = map[int]runtime.Mount{0: {Kind: runtime.MountBind, Source: "/state/sub", ReadOnly: true}}
			}
			cfg, err := s.config()
			if row.failed != "" {
				if !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), row.failed) {
					t.Errorf("error %v, want InvalidArgument with %q", err, row.failed)
				}
				return
			}
			row.want.Kind = runtime.MountBind
			if diff := cmp.Diff([]runtime.Mount{row.want}, cfg.Mounts); err != nil || diff != "" {
				t.Errorf("%v; want -, got +:\n%s", err, diff)
			}
		})
	}
}
