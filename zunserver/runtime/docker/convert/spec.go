package convert

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

// LogDriver is the log driver of every container, whatever the daemon's default: json-file does not keep bytes that are no
// UTF-8.
const LogDriver = "local"

// logConfig keeps 50 MB at most, as it was written: what is compressed cannot be followed.
var logConfig = container.LogConfig{
	Type:   LogDriver,
	Config: map[string]string{"max-size": "10m", "max-file": "5", "compress": "false"},
}

// Spec is a container in Docker's words.
type Spec struct {
	Config *container.Config
	Host   *container.HostConfig
	// Networking is nil where nothing is to be said of it.
	Networking *network.NetworkingConfig
}

// Container translates a configuration; with dropOOMScore a negative oom_score_adj is left out. Errors are of the class
// InvalidArgument.
func Container(cfg runtime.ContainerConfig, dropOOMScore bool) (Spec, error) {
	if cfg.Name == "" || cfg.Identity.Capsule == "" {
		return Spec{}, fmt.Errorf("a name and a capsule are needed: %w", errdefs.ErrInvalidArgument)
	}
	if cfg.Identity.Sandbox() != (cfg.Sandbox == "") {
		return Spec{}, fmt.Errorf("a sandbox joins none, and every other container joins one: %w", errdefs.ErrInvalidArgument)
	}
	mounts, binds, err := mountsOf(cfg.Mounts)
	if err != nil {
		return Spec{}, err
	}
	no := false
	s := Spec{
		Config: &container.Config{
			Image: cfg.Image, Entrypoint: cfg.Command, Cmd: cfg.Args, WorkingDir: cfg.WorkDir, Env: cfg.Env,
			User: cfg.Security.User, Labels: labels(cfg),
			OpenStdin: cfg.Stdin, StdinOnce: cfg.Stdin && cfg.StdinOnce, Tty: cfg.TTY, StopSignal: cfg.StopSignal,
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
		Host: &container.HostConfig{
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			LogConfig:     logConfig,
			Init:          &no,
			Mounts:        mounts,
			Binds:         binds,
			Resources:     resources(cfg.Resources),
			Runtime:       cfg.Security.Runtime,
		},
	}
	if adj := cfg.OOMScoreAdj; adj != nil && (*adj >= 0 || !dropOOMScore) {
		s.Host.OomScoreAdj = *adj
	}
	s.secure(cfg.Security, cfg.Identity.Sandbox())
	if cfg.Identity.Sandbox() {
		return s, s.asSandbox(cfg)
	}
	s.join(cfg)
	return s, nil
}

// secure is what the container may do.
func (s *Spec) secure(sec runtime.Security, sandbox bool) {
	h := s.Host
	h.Privileged, h.ReadonlyRootfs, h.GroupAdd = sec.Privileged, sec.ReadOnlyRoot, sec.Groups
	h.CapAdd, h.CapDrop = sec.CapAdd, sec.CapDrop
	if sec.NoNewPrivileges {
		h.SecurityOpt = append(h.SecurityOpt, "no-new-privileges")
	}
	seccomp := sec.Seccomp
	if sandbox {
		// Our own pause makes five system calls; the filter costs more than it protects.
		seccomp = cmp.Or(seccomp, "unconfined")
	}
	if seccomp != "" {
		h.SecurityOpt = append(h.SecurityOpt, "seccomp="+seccomp)
	}
	if sec.AppArmor != "" {
		h.SecurityOpt = append(h.SecurityOpt, "apparmor="+sec.AppArmor)
	}
	for _, label := range sec.SELinux {
		h.SecurityOpt = append(h.SecurityOpt, "label="+label)
	}
	if sec.UnmaskProc {
		// Empty rather than nil, which would mean Docker's defaults.
		h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{}
	}
}

// asSandbox gives the container namespaces of its own for others to join.
func (s *Spec) asSandbox(cfg runtime.ContainerConfig) error {
	h := s.Host
	s.Config.Hostname = cfg.Hostname
	h.NetworkMode = container.NetworkMode(cmp.Or(cfg.Network, "default"))
	h.IpcMode = "shareable"
	if cfg.HostIPC {
		h.IpcMode = "host"
	}
	if cfg.HostPID {
		h.PidMode = "host"
	}
	h.Sysctls = cfg.Sysctls
	if dns := cfg.DNS; dns != nil {
		h.DNS, h.DNSSearch, h.DNSOptions = dns.Nameservers, dns.Searches, dns.Options
		if len(dns.Nameservers) > 0 && len(dns.Searches) == 0 {
			// Without a search list Docker takes the host's; the root domain is how it spells "none".
			h.DNSSearch = []string{"."}
		}
	}
	if e := Endpoint(cfg.IPv4, cfg.IPv6); e != nil {
		s.Networking = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{cfg.Network: e}}
	}
	if cfg.Network == "host" {
		return nil // every port is the host's already
	}
	return s.publish(cfg.Ports)
}

func (s *Spec) publish(ports []runtime.PortMapping) error {
	for _, p := range ports {
		port, err := nat.NewPort(cmp.Or(p.Protocol, "tcp"), strconv.Itoa(int(p.ContainerPort)))
		if err != nil {
			return fmt.Errorf("port %d: %w: %w", p.ContainerPort, err, errdefs.ErrInvalidArgument)
		}
		if s.Config.ExposedPorts == nil {
			s.Config.ExposedPorts, s.Host.PortBindings = nat.PortSet{}, nat.PortMap{}
		}
		s.Config.ExposedPorts[port] = struct{}{}
		s.Host.PortBindings[port] = append(s.Host.PortBindings[port],
			nat.PortBinding{HostIP: p.HostIP, HostPort: strconv.Itoa(int(p.HostPort))})
	}
	return nil
}

// join puts the container into the namespaces of its sandbox.
func (s *Spec) join(cfg runtime.ContainerConfig) {
	of := "container:" + cfg.Sandbox
	s.Host.NetworkMode = container.NetworkMode(of)
	s.Host.IpcMode = container.IpcMode(of)
	if cfg.HostIPC {
		s.Host.IpcMode = "host"
	}
	switch {
	case cfg.JoinPID != "":
		s.Host.PidMode = container.PidMode("container:" + cfg.JoinPID)
	case cfg.HostPID:
		s.Host.PidMode = "host"
	case cfg.SharePID:
		s.Host.PidMode = container.PidMode(of)
	}
}

func labels(cfg runtime.ContainerConfig) map[string]string {
	all := maps.Clone(cfg.Labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, cfg.Identity.Labels())
	return all
}

// mountsOf returns mounts and, in the older form that makes missing directories, binds.
func mountsOf(mounts []runtime.Mount) (out []mount.Mount, binds []string, err error) {
	for _, m := range mounts {
		if m.Make && m.Kind == runtime.MountBind {
			if strings.Contains(m.Source+m.Target, ":") {
				return nil, nil, fmt.Errorf("mount of %s: an engine makes no directory with a colon in its path: %w", m.Source, errdefs.ErrInvalidArgument)
			}
			mode := "rw"
			if m.ReadOnly {
				mode = "ro"
			}
			binds = append(binds, m.Source+":"+m.Target+":"+mode)
			continue
		}
		d := mount.Mount{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
		switch m.Kind {
		case runtime.MountBind:
			d.Type = mount.TypeBind
			if m.Propagation != "" {
				d.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(m.Propagation)}
			}
		case runtime.MountTmpfs:
			d.Type = mount.TypeTmpfs
			d.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: m.SizeBytes, Mode: fs.FileMode(m.Mode)}
		case runtime.MountNamed:
			d.Type = mount.TypeVolume
			// A volume is what its driver made it; Docker would fill an empty one from the image.
			d.VolumeOptions = &mount.VolumeOptions{NoCopy: true}
		default:
			return nil, nil, fmt.Errorf("mount at %s of the unknown kind %q: %w", m.Target, m.Kind, errdefs.ErrInvalidArgument)
		}
		out = append(out, d)
	}
	return out, binds, nil
}

// resources translates limits for a new container, where 0 means the engine's default.
func resources(r runtime.Resources) container.Resources {
	out := container.Resources{
		CPUShares: r.CPUShares, CPUPeriod: r.CPUPeriodMicros, CPUQuota: r.CPUQuotaMicros,
		Memory: r.MemoryBytes, MemorySwap: r.MemorySwapBytes, CpusetCpus: r.CPUSet,
	}
	if r.PidsLimit != 0 {
		out.PidsLimit = &r.PidsLimit
	}
	return out
}

// noMemoryLimit lifts a limit: engines refuse -1 for memory as too little and do not pass it on for swap. It is the
// largest that cgroup v1 shows.
const noMemoryLimit = math.MaxInt64 &^ 0xfff

// Update translates limits for a container that is there, where 0 would leave a limit as it is.
func Update(r runtime.Resources) container.Resources {
	r.MemoryBytes = cmp.Or(r.MemoryBytes, noMemoryLimit)
	r.MemorySwapBytes = cmp.Or(r.MemorySwapBytes, noMemoryLimit)
	r.CPUQuotaMicros = cmp.Or(r.CPUQuotaMicros, -1)
	r.PidsLimit = cmp.Or(r.PidsLimit, -1)
	return resources(r)
}
