package creation

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

// The bounds and defaults of Zun (zun/conf/container_driver.py); memory is in MiB.
const (
	minCPU, maxCPU, defaultCPU          = 0.1, 16, 1.0
	minMemory, maxMemory, defaultMemory = 4, 8192, 512
	maxEntries                          = 256 // of a list or map
	maxFileBytes                        = 1 << 20
)

// DefaultGroup is the security group that is there without Neutron.
const DefaultGroup = "default"

var (
	nameForm  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)
	imageForm = regexp.MustCompile(`[a-zA-Z0-9][a-zA-Z0-9_.-]`)
	hostForm  = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,255}$`)
)

// Container is what a body asks for, checked. Spec has no UUID and no name yet.
type Container struct {
	Name       string
	Spec       capsule.ContainerSpec
	Standalone capsule.Standalone
	// Volumes are those that its mounts need, one for each.
	Volumes []capsule.Volume
	sized   bool
	// Of the sandbox: a container that is put into another's has none of it.
	AvailabilityZone, Hostname, Runtime, Host string
	Nets                                      []capsule.Net
	// Registry is the UUID or the name of the one that the image is pulled from.
	Registry string
	// Sandbox and Capsule name what it shall live in.
	Sandbox, Capsule string
}

// Parse checks a body. ttyFollows: the microversion has no tty of its own, it goes with interactive. sized: the disk of the host
// serves volumes with a size.
func Parse(b *Body, ttyFollows, sized bool) (*Container, error) {
	c := &Container{
		Name: text(b.Name), AvailabilityZone: text(b.AvailZone), Hostname: text(b.Hostname), Runtime: text(b.Runtime),
		Host: text(b.Host), Registry: text(b.Registry), Sandbox: text(b.Sandbox), Capsule: text(b.Capsule), sized: sized,
	}
	c.Spec = capsule.ContainerSpec{Image: b.Image, WorkDir: text(b.Workdir), Labels: b.Labels, Command: b.Entrypoint}
	c.Standalone = capsule.Standalone{Name: c.Name, CPUPolicy: "shared", SecurityGroups: b.SecurityGroups}
	for _, step := range []func(*Body) error{
		c.names, c.commands, c.resources, c.policies, c.groups, c.ports, c.mounts, c.health, c.environment, c.place,
		func(b *Body) error { return c.terminal(b, ttyFollows) },
	} {
		if err := step(b); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// CheckName checks a name by Zun's schema (container_name).
func CheckName(name string) error {
	if len(name) < 2 || len(name) > 255 || !nameForm.MatchString(name) {
		return rest.InvalidField("name", "Value: '%.300s'. '%.300s' does not match '%s' or has not 2 to 255 characters", name, name, nameForm)
	}
	return nil
}

func (c *Container) names(b *Body) error {
	if b.Name != nil && *b.Name != "" {
		if err := CheckName(*b.Name); err != nil {
			return err
		}
	}
	if b.Image == "" {
		return rest.Refuse(400, "schema-validation-error", "'image' is a required property")
	}
	if err := CheckImage(b.Image); err != nil {
		return err
	}
	if c.Hostname != "" && !hostForm.MatchString(c.Hostname) {
		return rest.InvalidField("hostname", "Value: '%.300s'. It does not match '%s'", c.Hostname, hostForm)
	}
	if c.Host != "" && !hostForm.MatchString(c.Host) {
		return rest.InvalidField("host", "Value: '%.300s'. It does not match '%s'", c.Host, hostForm)
	}
	if w := c.Spec.WorkDir; w != "" && !path.IsAbs(w) {
		return rest.InvalidField("workdir", "Value: '%.255s'. It is not an absolute path", w)
	}
	if d := text(b.ImageDriver); d != "" && d != "docker" && d != "None" {
		return CheckDriver(d)
	}
	c.Standalone.ImageDriver = "docker"
	return nil
}

// CheckImage checks the name of an image by Zun's schema (image_name).
func CheckImage(image string) error {
	if len(image) < 2 || len(image) > 255 || !imageForm.MatchString(image) || strings.ContainsAny(image, " \t\r\n\x00") {
		return rest.InvalidField("image", "Value: '%.300s'. It is not the name of an image", image)
	}
	return nil
}

// CheckDriver refuses an image driver that is not there.
func CheckDriver(driver string) error {
	if driver != "" && driver != "docker" {
		return rest.InvalidField("image_driver", "Value: '%.64s'. '%.64s' is not one of ['docker', None, 'None']", driver, driver)
	}
	return nil
}

func (c *Container) commands(b *Body) (err error) {
	if c.Spec.Args, err = Words("command", b.Command); err != nil {
		return err
	}
	for field, n := range map[string]int{"command": len(c.Spec.Args), "entrypoint": len(c.Spec.Command), "labels": len(b.Labels),
		"environment": len(b.Environment), "hints": len(b.Hints), "mounts": len(b.Mounts), "nets": len(b.Nets),
		"exposed_ports": len(b.ExposedPorts), "security_groups": len(b.SecurityGroups)} {
		if n > maxEntries {
			return rest.InvalidField(field, "It has %d entries, and may have %d", n, maxEntries)
		}
	}
	return nil
}

func (c *Container) resources(b *Body) error {
	cpu, given, err := Number("cpu", b.CPU, minCPU, maxCPU)
	if err != nil {
		return err
	}
	if !given {
		cpu = defaultCPU
	}
	memory, given, err := Whole("memory", b.Memory, minMemory, maxMemory)
	if err != nil {
		return err
	}
	if !given {
		memory = defaultMemory
	}
	Resize(&c.Spec, &cpu, &memory)
	if b.Disk != nil {
		return rest.InvalidField("disk", "Your host does not support disk quota feature.") // zun/compute/manager.py
	}
	if p := text(b.CPUPolicy); p != "" && p != "shared" {
		return rest.InvalidField("cpu_policy", "Value: '%.64s'. 'shared' is the only policy of the hosts", p)
	}
	return nil
}

// ParseResources reads the cpu and the memory of an update; nil is not given.
func ParseResources(cpu, memory any) (*float64, *int64, error) {
	n, cpuGiven, err := Number("cpu", cpu, minCPU, maxCPU)
	if err != nil {
		return nil, nil, err
	}
	m, memoryGiven, err := Whole("memory", memory, minMemory, maxMemory)
	if err != nil {
		return nil, nil, err
	}
	var c *float64
	var b *int64
	if cpuGiven {
		c = &n
	}
	if memoryGiven {
		b = &m
	}
	return c, b, nil
}

// Resize gives the container cpu, in cores, and memory, in MiB; nil leaves it.
func Resize(s *capsule.ContainerSpec, cpu *float64, memory *int64) {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	maps.Copy(requests, s.Resources.Requests)
	maps.Copy(limits, s.Resources.Limits)
	if cpu != nil {
		requests[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(*cpu*1000+0.5), resource.DecimalSI)
	}
	if memory != nil {
		q := *resource.NewQuantity(*memory<<20, resource.BinarySI)
		requests[corev1.ResourceMemory], limits[corev1.ResourceMemory] = q, q
	}
	s.Resources.Requests, s.Resources.Limits = requests, limits
}

func (c *Container) policies(b *Body) (err error) {
	switch strings.ToLower(text(b.ImagePullPolicy)) {
	case "": // as for capsules: an image that is only on the host must work
		c.Spec.ImagePullPolicy = template.PullPolicy(c.Spec.Image)
	case "always":
		c.Spec.ImagePullPolicy = corev1.PullAlways
	case "never":
		c.Spec.ImagePullPolicy = corev1.PullNever
	case "ifnotpresent":
		c.Spec.ImagePullPolicy = corev1.PullIfNotPresent
	default:
		return rest.InvalidField("image_pull_policy", "Value: '%.64s'. It is not one of never, always, ifnotpresent", *b.ImagePullPolicy)
	}
	if c.Standalone.AutoRemove, _, err = Truth("auto_remove", b.AutoRemove); err != nil {
		return err
	}
	if c.Standalone.AutoHeal, _, err = Truth("auto_heal", b.AutoHeal); err != nil {
		return err
	}
	privileged, _, err := Truth("privileged", b.Privileged)
	if err != nil {
		return err
	}
	if privileged {
		c.Spec.SecurityContext = &corev1.SecurityContext{Privileged: &privileged}
	}
	return c.restart(b)
}

// restart reads the restart policy (zun/common/utils.py, check_for_restart_policy).
func (c *Container) restart(b *Body) error {
	c.Standalone.RestartPolicy = "no"
	if b.RestartPolicy == nil {
		return nil
	}
	name := b.RestartPolicy.Name
	if !slices.Contains([]string{"no", "always", "on-failure", "unless-stopped"}, name) {
		return rest.InvalidField("restart_policy.Name", "Value: '%.64s'. It is not one of ['no', 'always', 'on-failure', 'unless-stopped']", name)
	}
	count, _, err := Whole("restart_policy.MaximumRetryCount", b.RestartPolicy.MaximumRetryCount, 0, 1<<31-1)
	switch {
	case err != nil:
		return err
	case count != 0 && (name == "always" || name == "unless-stopped"):
		return rest.InvalidValue("maximum retry count not valid with restart policy of %s", name)
	case name != "no" && c.Standalone.AutoRemove:
		return rest.InvalidValue("auto_remove and a restart_policy of %s exclude each other", name)
	case name == "on-failure":
		c.Standalone.MaximumRetryCount = int(count)
	}
	c.Standalone.RestartPolicy = name
	return nil
}

// groups knows one security group, as Zun without the others in Neutron.
func (c *Container) groups(b *Body) error {
	for _, g := range b.SecurityGroups {
		if g != DefaultGroup {
			return NoGroup(g)
		}
	}
	c.Standalone.SecurityGroups = slices.Compact(slices.Clone(b.SecurityGroups))
	if len(b.SecurityGroups) > 0 && b.ExposedPorts != nil {
		return rest.Refuse(400, "schema-validation-error", "security_groups and exposed_ports exclude each other")
	}
	return nil
}

// NoGroup is Zun's sentence (containers.py, _check_security_group).
func NoGroup(name string) error {
	return rest.InvalidValue("Security group %.255s not found.", name)
}

// ports reads exposed_ports (zun/common/utils.py, build_exposed_ports).
func (c *Container) ports(b *Body) error {
	for _, key := range slices.Sorted(maps.Keys(b.ExposedPorts)) {
		number, protocol, _ := strings.Cut(key, "/")
		if protocol == "" {
			protocol = "tcp"
		}
		if protocol != "tcp" && protocol != "udp" {
			return rest.InvalidValue("value %.32s is an invalid protocol", protocol)
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 {
			return rest.InvalidValue("value %.32s is invalid as publish port.", number)
		}
		host := b.ExposedPorts[key].HostPort
		if host < 0 || host > 65535 {
			return rest.InvalidField("exposed_ports", "hostPort %d is no port", host)
		}
		c.Spec.Ports = append(c.Spec.Ports, capsule.Port{ContainerPort: int32(n), HostPort: host, Protocol: corev1.Protocol(strings.ToUpper(protocol))})
	}
	return nil
}

func (c *Container) environment(b *Body) error {
	for _, name := range slices.Sorted(maps.Keys(b.Environment)) {
		value := b.Environment[name]
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return rest.InvalidField("environment", "'%.64s' cannot be a variable", name)
		}
		c.Spec.Env = append(c.Spec.Env, capsule.EnvVar{Name: name, Value: value, Literal: true})
	}
	return nil
}

func (c *Container) terminal(b *Body, follows bool) error {
	interactive, _, err := Truth("interactive", b.Interactive)
	if err != nil {
		return err
	}
	if c.Spec.TTY, _, err = Truth("tty", b.TTY); err != nil {
		return err
	}
	if c.Spec.Stdin = interactive; follows {
		c.Spec.TTY = interactive
	}
	return nil
}

// place checks where it shall live: what belongs to a sandbox of its own cannot be asked for in another's.
func (c *Container) place(b *Body) (err error) {
	if c.Nets, err = Nets(b.Nets); err != nil {
		return err
	}
	if c.Sandbox == "" && c.Capsule == "" {
		return nil
	}
	if c.Sandbox != "" && c.Capsule != "" {
		return rest.InvalidField("capsule", "sandbox and capsule exclude each other")
	}
	for field, given := range map[string]bool{"availability_zone": c.AvailabilityZone != "", "hostname": c.Hostname != "",
		"runtime": c.Runtime != "", "host": c.Host != "", "nets": len(c.Nets) > 0} {
		if given {
			return rest.InvalidField(field, "It is the sandbox', which is there already")
		}
	}
	for _, p := range c.Spec.Ports {
		if p.HostPort != 0 {
			return rest.InvalidField("exposed_ports", "hostPort %d: ports are published when a sandbox is made, and this one is there already", p.HostPort)
		}
	}
	return nil
}

// label makes a DNS label of a name, of at most 40 characters.
func label(name string) string {
	name = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name[:min(len(name), 40)])), "-")
	if name == "" {
		return "container"
	}
	return name
}

// volumeName is of the nth mount of a container: another container of its name has other ones.
func volumeName(uuid string, n int) string { return fmt.Sprintf("%s-%d", uuid, n) }
