package container

import (
	"fmt"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// Place is what the host adds to a spec: everything here is known before a container is made.
type Place struct {
	Instance string
	Refs     map[capsule.Reference]string
	// Mounts gives the source of each volume by name.
	Mounts map[string]runtime.Mount
	// SubPaths gives the mount of the volume mounts that have a subPath, by their index.
	SubPaths map[int]runtime.Mount
	// Sandbox are the mounts of the sandbox itself. Inside: the host works in it (package inside).
	Sandbox []runtime.Mount
	Inside  bool
	// Seccomp is the content of the container's [SeccompProfile].
	Seccomp string
	// MemoryBytes is the host's, for the OOM score.
	MemoryBytes int64
}

// insideShares are the CPU shares of a sandbox that programs are run in: half of a CPU's.
const insideShares = 512

// Name is deterministic, so that the engine itself makes creation idempotent.
func Name(c *capsule.Capsule, container string, attempt int) string {
	short := make([]rune, 0, 40)
	for _, r := range c.Spec.Name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", r) {
			r = '-'
		}
		if short = append(short, r); len(short) == 40 {
			break
		}
	}
	if container == "" {
		return fmt.Sprintf("capsulet-sandbox_%s_%s_%d", string(short), c.UUID, attempt)
	}
	return fmt.Sprintf("capsulet_%s_%s_%s_%d", container, string(short), c.UUID, attempt)
}

// Sandbox is the container that holds the capsule's namespaces.
func Sandbox(c *capsule.Capsule, p Place, attempt int) runtime.ContainerConfig {
	s := &c.Spec
	cfg := runtime.ContainerConfig{
		Name: Name(c, "", attempt),
		Identity: runtime.Identity{
			Instance: p.Instance, Capsule: c.UUID, CapsuleName: s.Name, Attempt: attempt, SandboxAttempt: attempt,
		},
		Hostname:  s.KernelHostname(),
		DNS:       s.DNS,
		HostPID:   s.HostPID,
		HostIPC:   s.HostIPC,
		Resources: runtime.Resources{CPUShares: 2},
		Security:  runtime.Security{Runtime: s.Runtime},
		Mounts:    p.Sandbox, Inside: p.Inside,
	}
	if p.Inside {
		// Its probes must not starve on a busy host; while none runs, the shares are everybody's.
		cfg.Resources.CPUShares = insideShares
	}
	if s.HostNetwork {
		cfg.Network, cfg.Hostname = capsule.HostNetwork, ""
	} else if nets := s.SandboxNets(); len(nets) == 0 {
		cfg.Network = capsule.NoNetwork
	} else if first := nets[0]; first.Network != capsule.BridgeNetwork {
		cfg.Network, cfg.IPv4, cfg.IPv6 = capsule.EngineNetwork(first.Network), first.IPv4, first.IPv6
	}
	if s.SecurityContext != nil && len(s.SecurityContext.Sysctls) > 0 {
		cfg.Sysctls = map[string]string{}
		for _, y := range s.SecurityContext.Sysctls {
			cfg.Sysctls[y.Name] = y.Value
		}
	}
	for i := range s.Containers {
		cfg.Ports = append(cfg.Ports, ports(s, &s.Containers[i])...)
	}
	for i := range s.InitContainers {
		cfg.Ports = append(cfg.Ports, ports(s, &s.InitContainers[i])...)
	}
	return cfg
}

func ports(s *capsule.Spec, cs *capsule.ContainerSpec) []runtime.PortMapping {
	var ms []runtime.PortMapping
	for _, p := range cs.Ports {
		if p.HostPort == 0 || s.HostNetwork {
			continue
		}
		protocol := strings.ToLower(string(p.Protocol))
		if protocol == "" {
			protocol = "tcp"
		}
		ms = append(ms, runtime.PortMapping{
			ContainerPort: p.ContainerPort, HostPort: p.HostPort, HostIP: p.HostIP, Protocol: protocol,
		})
	}
	return ms
}

// Config is one container of the capsule in the sandbox given. Its errors are of the class InvalidArgument: the
// container cannot be made as asked (Kubernetes: CreateContainerConfigError).
func Config(c *capsule.Capsule, cs *capsule.ContainerSpec, img runtime.Image, p Place,
	id runtime.Identity, sandboxID string,
) (runtime.ContainerConfig, error) {
	env, values, err := environment(cs, p.Refs)
	if err != nil {
		return runtime.ContainerConfig{}, fmt.Errorf("%w: %w", errdefs.ErrInvalidArgument, err)
	}
	mounts, err := containerMounts(cs, p)
	if err != nil {
		return runtime.ContainerConfig{}, fmt.Errorf("%w: %w", errdefs.ErrInvalidArgument, err)
	}
	security, err := securityOf(&c.Spec, cs, img, p.Seccomp)
	if err != nil {
		return runtime.ContainerConfig{}, fmt.Errorf("%w: %w", errdefs.ErrInvalidArgument, err)
	}
	security.Runtime = c.Spec.Runtime
	score := oomScore(&c.Spec, cs, p.MemoryBytes)
	labels := map[string]string{}
	for k, v := range cs.Labels {
		labels[k] = v
	}
	signal := ""
	if l := cs.Lifecycle; l != nil && l.StopSignal != nil {
		signal = string(*l.StopSignal)
	}
	return runtime.ContainerConfig{
		Name: Name(c, cs.Name, id.Attempt), Identity: id, Labels: labels,
		Image:   cs.Image,
		Command: expandAll(cs.Command, values), Args: expandAll(cs.Args, values),
		WorkDir: cs.WorkDir, Env: env,
		Sandbox: sandboxID, SharePID: c.Spec.ShareProcessNamespace, HostPID: c.Spec.HostPID,
		HostIPC:   c.Spec.HostIPC,
		Mounts:    mounts,
		Resources: Resources(&c.Spec, cs), OOMScoreAdj: &score, Security: security,
		Stdin: cs.Stdin, StdinOnce: cs.StdinOnce, TTY: cs.TTY, StopSignal: signal,
	}, nil
}

func containerMounts(cs *capsule.ContainerSpec, p Place) ([]runtime.Mount, error) {
	var ms []runtime.Mount
	for i, vm := range cs.VolumeMounts {
		m, ok := p.Mounts[vm.Name]
		if !ok {
			return nil, fmt.Errorf("volume mount %q names a volume that is not there", vm.Name)
		}
		if sub, ok := p.SubPaths[i]; ok {
			m = sub
		}
		m.Target = path.Clean(vm.MountPath)
		m.ReadOnly = m.ReadOnly || vm.ReadOnly
		if vm.MountPropagation != nil && m.Kind == runtime.MountNamed && *vm.MountPropagation == corev1.MountPropagationBidirectional {
			return nil, fmt.Errorf("volumeMounts[%d].mountPropagation: Bidirectional: volume %q is one of the engine's, which passes no "+
				"mounts on; that needs a host that shares capsulet's file system", i, vm.Name)
		}
		if vm.MountPropagation != nil && m.Kind == runtime.MountBind {
			m.Propagation = map[corev1.MountPropagationMode]string{
				corev1.MountPropagationHostToContainer: "rslave",
				corev1.MountPropagationBidirectional:   "rshared",
			}[*vm.MountPropagation]
		}
		ms = append(ms, m)
	}
	return ms, nil
}
