package executor

import (
	"fmt"

	"github.com/capsulet/capsulet/zunserver/agent/container"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// hostsFiles is what a volume driver may be able to do besides: a file that containers see as /etc/hosts. On a host whose
// driver cannot, containers have the engine's.
type hostsFiles interface {
	HostsFile(uuid string) (path string, err error)
	WriteHosts(uuid string, make func(host []byte) []byte) error
}

// hostsMount mounts the capsule's /etc/hosts, whose content comes when the sandbox has its address.
func (e *Executor) hostsMount(c *capsule.Capsule, cs *capsule.ContainerSpec) ([]runtime.Mount, error) {
	files, ok := e.cfg.Volumes.(hostsFiles)
	if !ok || !container.WantsHosts(&c.Spec, cs) {
		return nil, nil
	}
	path, err := files.HostsFile(c.UUID)
	if err != nil {
		return nil, err
	}
	return []runtime.Mount{{Kind: runtime.MountBind, Source: path, Target: container.HostsPath}}, nil
}

// writeHosts fills in the capsule's /etc/hosts before a container of it starts. Only the first of a sandbox writes; the
// others find it written.
func (e *Executor) writeHosts(c *capsule.Capsule, act lifecycle.Action) error {
	files, ok := e.cfg.Volumes.(hostsFiles)
	cs, _ := c.Spec.Container(act.Container)
	if !ok || cs == nil || !container.WantsHosts(&c.Spec, cs) {
		return nil
	}
	addresses := e.addresses(c)
	if len(addresses) == 0 && !c.Spec.HostNetwork {
		return fmt.Errorf("the sandbox has no address yet")
	}
	e.hosts.Lock()
	defer e.hosts.Unlock()
	return files.WriteHosts(c.UUID, func(host []byte) []byte { return container.Hosts(&c.Spec, addresses, host) })
}
