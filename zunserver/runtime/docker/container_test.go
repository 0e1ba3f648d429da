package docker

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
		s, err := dockerSpec(cfg, false)
		if err != nil {
			t.Fatal(err)
		}
		h, c := s.host, s.config
		if h.RestartPolicy.Name != "no" || *h.Init || h.LogConfig.Type != "json-file" ||
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
		check  func(spec) bool
	}{
		"joins network and IPC": {func(*runtime.ContainerConfig) {}, func(s spec) bool {
			return s.host.NetworkMode == "container:capsulet-sandbox_web_u_0" &&
				s.host.IpcMode == "container:capsulet-sandbox_web_u_0" && s.host.PidMode == "" &&
				len(s.host.SecurityOpt) == 0 && s.config.Hostname == ""
		}},
		"shared PID": {func(c *runtime.ContainerConfig) { c.SharePID = true }, func(s spec) bool {
			return s.host.PidMode == "container:capsulet-sandbox_web_u_0"
		}},
		"host PID wins": {func(c *runtime.ContainerConfig) { c.SharePID, c.HostPID = true, true }, func(s spec) bool {
			return s.host.PidMode == "host"
		}},
		"another container's PID": {func(c *runtime.ContainerConfig) { c.SharePID, c.JoinPID = true, "target" }, func(s spec) bool {
			return s.host.PidMode == "container:target"
		}},
		"host IPC": {func(c *runtime.ContainerConfig) { c.HostIPC = true }, func(s spec) bool {
			return s.host.IpcMode == "host"
		}},
		"command and args": {func(c *runtime.ContainerConfig) { c.Command, c.Args = []string{"a"}, []string{"b"} }, func(s spec) bool {
			return slices.Equal(s.config.Entrypoint, []string{"a"}) && slices.Equal(s.config.Cmd, []string{"b"})
		}},
		"labels do not lie": {func(c *runtime.ContainerConfig) {
			c.Labels = map[string]string{runtime.LabelCapsule: "lie", "a": "b"}
		}, func(s spec) bool {
			return s.config.Labels[runtime.LabelCapsule] == "u" && s.config.Labels["a"] == "b"
		}},
		"negative OOM score": {func(c *runtime.ContainerConfig) { c.OOMScoreAdj = &minus }, func(s spec) bool {
			return s.host.OomScoreAdj == -500
		}},
		"terminal": {func(c *runtime.ContainerConfig) { c.Stdin, c.StdinOnce, c.TTY = true, true, true }, func(s spec) bool {
			return s.config.OpenStdin && s.config.StdinOnce && s.config.Tty
		}},
		"stdin once without stdin": {func(c *runtime.ContainerConfig) { c.StdinOnce = true }, func(s spec) bool {
			return !s.config.OpenStdin && !s.config.StdinOnce
		}},
		"unmasked /proc": {func(c *runtime.ContainerConfig) { c.Security.UnmaskProc = true }, func(s spec) bool {
			return s.host.MaskedPaths != nil && len(s.host.MaskedPaths) == 0 && s.host.ReadonlyPaths != nil
		}},
		"security": {func(c *runtime.ContainerConfig) {
			c.Security = runtime.Security{
				User: "1:2", Groups: []string{"3"}, Privileged: true, CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"},
				ReadOnlyRoot: true, NoNewPrivileges: true, Seccomp: "{}", AppArmor: "p", SELinux: []string{"level:s0"},
				Runtime: "kata",
			}
		}, func(s spec) bool {
			return s.config.User == "1:2" && slices.Equal(s.host.GroupAdd, []string{"3"}) && s.host.Privileged &&
				slices.Equal(s.host.CapAdd, []string{"NET_ADMIN"}) && slices.Equal(s.host.CapDrop, []string{"ALL"}) &&
				s.host.ReadonlyRootfs && s.host.Runtime == "kata" &&
				slices.Equal(s.host.SecurityOpt, []string{"no-new-privileges", "seccomp={}", "apparmor=p", "label=level:s0"})
		}},
		"resources": {func(c *runtime.ContainerConfig) {
			c.Resources = runtime.Resources{
				CPUShares: 1, CPUPeriodMicros: 2, CPUQuotaMicros: 3, MemoryBytes: 4, MemorySwapBytes: 5, PidsLimit: 6, CPUSet: "0-1",
			}
		}, func(s spec) bool {
			r := s.host.Resources
			return r.CPUShares == 1 && r.CPUPeriod == 2 && r.CPUQuota == 3 && r.Memory == 4 && r.MemorySwap == 5 &&
				*r.PidsLimit == 6 && r.CpusetCpus == "0-1"
		}},
		"no resources": {func(*runtime.ContainerConfig) {}, func(s spec) bool { return s.host.PidsLimit == nil }},
		"mounts": {func(c *runtime.ContainerConfig) {
			c.Mounts = []runtime.Mount{
				{Kind: runtime.MountBind, Source: "/a", Target: "/b", ReadOnly: true, Propagation: "rslave"},
				{Kind: runtime.MountTmpfs, Target: "/t", SizeBytes: 7, Mode: 0o700},
				{Kind: runtime.MountNamed, Source: "v", Target: "/v"},
			}
		}, func(s spec) bool {
			m := s.host.Mounts
			return len(m) == 3 && m[0].Type == mount.TypeBind && m[0].ReadOnly && m[0].BindOptions.Propagation == "rslave" &&
				m[1].TmpfsOptions.SizeBytes == 7 && m[1].TmpfsOptions.Mode == 0o700 &&
				m[2].Type == mount.TypeVolume && m[2].Source == "v" && m[2].VolumeOptions.NoCopy
		}},
	}
	for name, tt := range tests {
		cfg := goodApp()
		tt.mutate(&cfg)
		s, err := dockerSpec(cfg, false)
		if err != nil || !tt.check(s) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, s.config, s.host)
		}
	}
}

func TestSandboxSpec(t *testing.T) {
	tests := map[string]struct {
		mutate func(*runtime.ContainerConfig)
		check  func(spec) bool
	}{
		"namespaces to join": {func(*runtime.ContainerConfig) {}, func(s spec) bool {
			return s.host.NetworkMode == "default" && s.host.IpcMode == "shareable" && s.config.Hostname == "web" &&
				slices.Equal(s.host.SecurityOpt, []string{"seccomp=unconfined"}) && s.host.DNSSearch == nil
		}},
		"a named network": {func(c *runtime.ContainerConfig) { c.Network = "blue" }, func(s spec) bool {
			return s.host.NetworkMode == "blue"
		}},
		"host IPC and PID": {func(c *runtime.ContainerConfig) { c.HostIPC, c.HostPID = true, true }, func(s spec) bool {
			return s.host.IpcMode == "host" && s.host.PidMode == "host"
		}},
		"DNS": {func(c *runtime.ContainerConfig) {
			c.DNS = &capsule.DNS{Nameservers: []string{"1.1.1.1"}, Searches: []string{"x"}, Options: []string{"ndots:5"}}
		}, func(s spec) bool {
			return slices.Equal(s.host.DNS, []string{"1.1.1.1"}) && slices.Equal(s.host.DNSSearch, []string{"x"}) &&
				slices.Equal(s.host.DNSOptions, []string{"ndots:5"})
		}},
		"DNS without a search list": {func(c *runtime.ContainerConfig) {
			c.DNS = &capsule.DNS{Nameservers: []string{"1.1.1.1"}}
		}, func(s spec) bool { return slices.Equal(s.host.DNSSearch, []string{"."}) }},
		"ports": {func(c *runtime.ContainerConfig) {
			c.Ports = []runtime.PortMapping{
				{ContainerPort: 80, HostPort: 8080, HostIP: "127.0.0.1"}, {ContainerPort: 53, HostPort: 53, Protocol: "udp"},
				{ContainerPort: 80, HostPort: 8081},
			}
		}, func(s spec) bool {
			web := s.host.PortBindings["80/tcp"]
			return len(s.config.ExposedPorts) == 2 && s.host.PortBindings["53/udp"][0].HostPort == "53" && len(web) == 2 &&
				web[0] == nat.PortBinding{HostIP: "127.0.0.1", HostPort: "8080"} && web[1].HostPort == "8081"
		}},
		"no ports on the host network": {func(c *runtime.ContainerConfig) {
			c.Network, c.Ports = "host", []runtime.PortMapping{{ContainerPort: 80, HostPort: 80}}
		}, func(s spec) bool { return s.host.NetworkMode == "host" && s.host.PortBindings == nil }},
		"sysctls": {func(c *runtime.ContainerConfig) { c.Sysctls = map[string]string{"net.a": "1"} }, func(s spec) bool {
			return s.host.Sysctls["net.a"] == "1"
		}},
	}
	for name, tt := range tests {
		cfg := goodSandbox()
		tt.mutate(&cfg)
		s, err := dockerSpec(cfg, false)
		if err != nil || !tt.check(s) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, s.config, s.host)
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
		if _, err := dockerSpec(cfg, false); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := goodSandbox()
	cfg.Ports = []runtime.PortMapping{{ContainerPort: 80, Protocol: "carrier pigeon"}, {ContainerPort: -1}}
	if _, err := dockerSpec(cfg, false); !errdefs.IsInvalidArgument(err) {
		t.Errorf("a bad port: %v", err)
	}
}

func TestOOMScoreIsDropped(t *testing.T) {
	for _, tt := range []struct{ asked, want int }{{-998, 0}, {0, 0}, {900, 900}} {
		cfg := goodApp()
		cfg.OOMScoreAdj = &tt.asked
		s, err := dockerSpec(cfg, true)
		if err != nil || s.host.OomScoreAdj != tt.want {
			t.Errorf("%d: %d, %v", tt.asked, s.host.OomScoreAdj, err)
		}
	}
	if !hasCapability([]byte("Name:\tx\nCapEff:\t000001ffffffffff\n"), capSysResource) {
		t.Error("it has the capability")
	}
	if hasCapability([]byte("CapEff:\t00000000fe7fffff\nCapBnd:\t000001ffffffffff\n"), 23) {
		t.Error("it lacks the capability")
	}
	if !hasCapability([]byte("nothing"), capSysResource) {
		t.Error("when in doubt it may")
	}
}
