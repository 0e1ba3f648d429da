package convert

import (
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

func goodSandbox() runtime.ContainerConfig {
	return runtime.ContainerConfig{
		Name:     "capsulet-sandbox_web_u_0",
		Identity: runtime.Identity{Instance: "i", Capsule: "u", CapsuleName: "web"},
		Image:    "sandbox", Hostname: "web",
	}
}

func goodApp() runtime.ContainerConfig {
	return runtime.ContainerConfig{
		Name:     "capsulet_app_web_u_0",
		Identity: runtime.Identity{Instance: "i", Capsule: "u", CapsuleName: "web", Container: "app"},
		Image:    "nginx", Sandbox: "capsulet-sandbox_web_u_0",
	}
}

func TestEveryContainer(t *testing.T) {
	for _, cfg := range []runtime.ContainerConfig{goodSandbox(), goodApp()} {
		s, err := Container(cfg, false)
		if err != nil {
			t.Fatal(err)
		}
		h, c := s.Host, s.Config
		if h.RestartPolicy.Name != "no" || *h.Init || h.LogConfig.Type != "local" || h.LogConfig.Config["compress"] != "false" ||
			h.LogConfig.Config["max-size"] != "10m" || h.LogConfig.Config["max-file"] != "5" {
			t.Errorf("%s: %+v", cfg.Name, h)
		}
		if !slices.Equal(c.Healthcheck.Test, []string{"NONE"}) || c.Image != cfg.Image {
			t.Errorf("%s: %+v", cfg.Name, c)
		}
		if runtime.IdentityOf(c.Labels) != cfg.Identity {
			t.Errorf("%s: labels %v", cfg.Name, c.Labels)
		}
		if h.MaskedPaths != nil || h.ReadonlyPaths != nil || h.Privileged || h.OomScoreAdj != 0 {
			t.Errorf("%s: not the defaults: %+v", cfg.Name, h)
		}
	}
}

func TestAppSpec(t *testing.T) {
	minus := -500
	tests := map[string]struct {
		mutate func(*runtime.ContainerConfig)
		check  func(Spec) bool
	}{
		"joins network and IPC": {func(*runtime.ContainerConfig) {}, func(s Spec) bool {
			return s.Host.NetworkMode == "container:capsulet-sandbox_web_u_0" &&
				s.Host.IpcMode == "container:capsulet-sandbox_web_u_0" && s.Host.PidMode == "" &&
				len(s.Host.SecurityOpt) == 0 && s.Config.Hostname == ""
		}},
		"shared PID": {func(c *runtime.ContainerConfig) { c.SharePID = true }, func(s Spec) bool {
			return s.Host.PidMode == "container:capsulet-sandbox_web_u_0"
		}},
		"host PID wins": {func(c *runtime.ContainerConfig) { c.SharePID, c.HostPID = true, true }, func(s Spec) bool {
			return s.Host.PidMode == "host"
		}},
		"another container's PID": {func(c *runtime.ContainerConfig) { c.SharePID, c.JoinPID = true, "target" }, func(s Spec) bool {
			return s.Host.PidMode == "container:target"
		}},
		"host IPC": {func(c *runtime.ContainerConfig) { c.HostIPC = true }, func(s Spec) bool {
			return s.Host.IpcMode == "host"
		}},
		"command and args": {func(c *runtime.ContainerConfig) { c.Command, c.Args = []string{"a"}, []string{"b"} }, func(s Spec) bool {
			return slices.Equal(s.Config.Entrypoint, []string{"a"}) && slices.Equal(s.Config.Cmd, []string{"b"})
		}},
		"labels do not lie": {func(c *runtime.ContainerConfig) {
			c.Labels = map[string]string{runtime.LabelCapsule: "lie", "a": "b"}
		}, func(s Spec) bool {
			return s.Config.Labels[runtime.LabelCapsule] == "u" && s.Config.Labels["a"] == "b"
		}},
		"negative OOM score": {func(c *runtime.ContainerConfig) { c.OOMScoreAdj = &minus }, func(s Spec) bool {
			return s.Host.OomScoreAdj == -500
		}},
		"a signal of its own": {func(c *runtime.ContainerConfig) { c.StopSignal = "SIGRTMIN+3" }, func(s Spec) bool {
			return s.Config.StopSignal == "SIGRTMIN+3"
		}},
		"profiles": {func(c *runtime.ContainerConfig) { c.Security.Seccomp, c.Security.AppArmor = `{"a":1}`, "k8s-web" }, func(s Spec) bool {
			return slices.Contains(s.Host.SecurityOpt, `seccomp={"a":1}`) && slices.Contains(s.Host.SecurityOpt, "apparmor=k8s-web")
		}},
		"terminal": {func(c *runtime.ContainerConfig) { c.Stdin, c.StdinOnce, c.TTY = true, true, true }, func(s Spec) bool {
			return s.Config.OpenStdin && s.Config.StdinOnce && s.Config.Tty
		}},
		"stdin once without stdin": {func(c *runtime.ContainerConfig) { c.StdinOnce = true }, func(s Spec) bool {
			return !s.Config.OpenStdin && !s.Config.StdinOnce
		}},
		"unmasked /proc": {func(c *runtime.ContainerConfig) { c.Security.UnmaskProc = true }, func(s Spec) bool {
			return s.Host.MaskedPaths != nil && len(s.Host.MaskedPaths) == 0 && s.Host.ReadonlyPaths != nil
		}},
		"security": {func(c *runtime.ContainerConfig) {
			c.Security = runtime.Security{
				User: "1:2", Groups: []string{"3"}, Privileged: true, CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"},
				ReadOnlyRoot: true, NoNewPrivileges: true, Seccomp: "{}", AppArmor: "p", SELinux: []string{"level:s0"},
				Runtime: "kata",
			}
		}, func(s Spec) bool {
			return s.Config.User == "1:2" && slices.Equal(s.Host.GroupAdd, []string{"3"}) && s.Host.Privileged &&
				slices.Equal(s.Host.CapAdd, []string{"NET_ADMIN"}) && slices.Equal(s.Host.CapDrop, []string{"ALL"}) &&
				s.Host.ReadonlyRootfs && s.Host.Runtime == "kata" &&
				slices.Equal(s.Host.SecurityOpt, []string{"no-new-privileges", "seccomp={}", "apparmor=p", "label=level:s0"})
		}},
		"resources": {func(c *runtime.ContainerConfig) {
			c.Resources = runtime.Resources{
				CPUShares: 1, CPUPeriodMicros: 2, CPUQuotaMicros: 3, MemoryBytes: 4, MemorySwapBytes: 5, PidsLimit: 6, CPUSet: "0-1",
			}
		}, func(s Spec) bool {
			r := s.Host.Resources
			return r.CPUShares == 1 && r.CPUPeriod == 2 && r.CPUQuota == 3 && r.Memory == 4 && r.MemorySwap == 5 &&
				*r.PidsLimit == 6 && r.CpusetCpus == "0-1"
		}},
		"no resources": {func(*runtime.ContainerConfig) {}, func(s Spec) bool { return s.Host.PidsLimit == nil }},
		"mounts": {func(c *runtime.ContainerConfig) {
			c.Mounts = []runtime.Mount{
				{Kind: runtime.MountBind, Source: "/a", Target: "/b", ReadOnly: true, Propagation: "rslave"},
				{Kind: runtime.MountTmpfs, Target: "/t", SizeBytes: 7, Mode: 0o700},
				{Kind: runtime.MountNamed, Source: "v", Target: "/v"},
			}
		}, func(s Spec) bool {
			m := s.Host.Mounts
			return len(m) == 3 && m[0].Type == mount.TypeBind && m[0].ReadOnly && m[0].BindOptions.Propagation == "rslave" &&
				m[1].TmpfsOptions.SizeBytes == 7 && m[1].TmpfsOptions.Mode == 0o700 &&
				m[2].Type == mount.TypeVolume && m[2].Source == "v" && m[2].VolumeOptions.NoCopy
		}},
	}
	for name, tt := range tests {
		cfg := goodApp()
		tt.mutate(&cfg)
		s, err := Container(cfg, false)
		if err != nil || !tt.check(s) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, s.Config, s.Host)
		}
	}
}

func TestSandboxSpec(t *testing.T) {
	tests := map[string]struct {
		mutate func(*runtime.ContainerConfig)
		check  func(Spec) bool
	}{
		"namespaces to join": {func(*runtime.ContainerConfig) {}, func(s Spec) bool {
			return s.Host.NetworkMode == "default" && s.Host.IpcMode == "shareable" && s.Config.Hostname == "web" &&
				slices.Equal(s.Host.SecurityOpt, []string{"seccomp=unconfined"}) && s.Host.DNSSearch == nil
		}},
		"a named network": {func(c *runtime.ContainerConfig) { c.Network = "blue" }, func(s Spec) bool {
			return s.Host.NetworkMode == "blue"
		}},
		"host IPC and PID": {func(c *runtime.ContainerConfig) { c.HostIPC, c.HostPID = true, true }, func(s Spec) bool {
			return s.Host.IpcMode == "host" && s.Host.PidMode == "host"
		}},
		"DNS": {func(c *runtime.ContainerConfig) {
			c.DNS = &capsule.DNS{Nameservers: []string{"1.1.1.1"}, Searches: []string{"x"}, Options: []string{"ndots:5"}}
		}, func(s Spec) bool {
			return slices.Equal(s.Host.DNS, []string{"1.1.1.1"}) && slices.Equal(s.Host.DNSSearch, []string{"x"}) &&
				slices.Equal(s.Host.DNSOptions, []string{"ndots:5"})
		}},
		"DNS without a search list": {func(c *runtime.ContainerConfig) {
			c.DNS = &capsule.DNS{Nameservers: []string{"1.1.1.1"}}
		}, func(s Spec) bool { return slices.Equal(s.Host.DNSSearch, []string{"."}) }},
		"ports": {func(c *runtime.ContainerConfig) {
			c.Ports = []runtime.PortMapping{
				{ContainerPort: 80, HostPort: 8080, HostIP: "127.0.0.1"}, {ContainerPort: 53, HostPort: 53, Protocol: "udp"},
				{ContainerPort: 80, HostPort: 8081},
			}
		}, func(s Spec) bool {
			web := s.Host.PortBindings["80/tcp"]
			return len(s.Config.ExposedPorts) == 2 && s.Host.PortBindings["53/udp"][0].HostPort == "53" && len(web) == 2 &&
				web[0] == nat.PortBinding{HostIP: "127.0.0.1", HostPort: "8080"} && web[1].HostPort == "8081"
		}},
		"no ports on the host network": {func(c *runtime.ContainerConfig) {
			c.Network, c.Ports = "host", []runtime.PortMapping{{ContainerPort: 80, HostPort: 80}}
		}, func(s Spec) bool { return s.Host.NetworkMode == "host" && s.Host.PortBindings == nil }},
		"sysctls": {func(c *runtime.ContainerConfig) { c.Sysctls = map[string]string{"net.a": "1"} }, func(s Spec) bool {
			return s.Host.Sysctls["net.a"] == "1"
		}},
	}
	for name, tt := range tests {
		cfg := goodSandbox()
		tt.mutate(&cfg)
		s, err := Container(cfg, false)
		if err != nil || !tt.check(s) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, s.Config, s.Host)
		}
	}
}

func TestSpecRefuses(t *testing.T) {
	tests := map[string]struct {
		mutate func(*runtime.ContainerConfig)
		says   string
	}{
		"no name":              {func(c *runtime.ContainerConfig) { c.Name = "" }, "a name"},
		"no capsule":           {func(c *runtime.ContainerConfig) { c.Identity.Capsule = "" }, "a capsule"},
		"no sandbox":           {func(c *runtime.ContainerConfig) { c.Sandbox = "" }, "sandbox"},
		"a sandbox in another": {func(c *runtime.ContainerConfig) { c.Identity.Container = "" }, "sandbox"},
		"an unknown mount":     {func(c *runtime.ContainerConfig) { c.Mounts = []runtime.Mount{{Kind: "x", Target: "/t"}} }, "/t"},
	}
	for name, tt := range tests {
		cfg := goodApp()
		tt.mutate(&cfg)
		if _, err := Container(cfg, false); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := goodSandbox()
	cfg.Ports = []runtime.PortMapping{{ContainerPort: 80, Protocol: "carrier pigeon"}, {ContainerPort: -1}}
	if _, err := Container(cfg, false); !errdefs.IsInvalidArgument(err) {
		t.Errorf("a bad port: %v", err)
	}
}

func TestOOMScoreIsDropped(t *testing.T) {
	for _, tt := range []struct{ asked, want int }{{-998, 0}, {0, 0}, {900, 900}} {
		cfg := goodApp()
		cfg.OOMScoreAdj = &tt.asked
		s, err := Container(cfg, true)
		if err != nil || s.Host.OomScoreAdj != tt.want {
			t.Errorf("%d: %d, %v", tt.asked, s.Host.OomScoreAdj, err)
		}
	}
}
