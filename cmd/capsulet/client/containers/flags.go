package containers

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/provider/zun/resources"
)

// maxInjected is the size of a file that a mount of the type bind brings along (zun: a text column).
const maxInjected = 64 << 10

// creation are the flags of create and run.
type creation struct {
	resources.NewContainer
	memory, restart, entrypoint, envFile, pull           string
	env, labels, mounts, volumes, nets, publish, healths []string
	hints                                                []string
}

func (n *creation) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&n.Name, "name", "", "name; the server chooses one when not given")
	f.Float64Var(&n.CPU, "cpu", 0, "cores")
	f.StringVarP(&n.memory, "memory", "m", "", "memory: MiB, or with a unit, such as 512M or 2Gi")
	f.Int64Var(&n.Disk, "disk", 0, "disk, in GiB")
	f.StringArrayVarP(&n.env, "env", "e", nil, "variable: NAME=VALUE, or NAME for the value that it has here")
	f.StringVar(&n.envFile, "env-file", "", "file with variables, one on a line")
	f.StringArrayVarP(&n.labels, "label", "l", nil, "label: NAME=VALUE")
	f.StringArrayVar(&n.mounts, "mount", nil, "source=VOLUME or size=GIB, destination=PATH, [type=volume]; with type=bind, source is a file here whose content is brought along")
	f.StringArrayVarP(&n.volumes, "volume", "v", nil, "VOLUME:PATH, short for --mount")
	f.StringArrayVar(&n.nets, "net", nil, netUsage)
	f.StringArrayVarP(&n.publish, "publish", "p", nil, "port of the container to publish: [HOSTPORT:]PORT[/udp]")
	f.StringVar(&n.restart, "restart", "", "restart policy: no, always, unless-stopped, on-failure or on-failure:COUNT")
	f.BoolVar(&n.AutoRemove, "auto-remove", false, "delete it when it has ended")
	f.BoolVar(&n.AutoRemove, "rm", false, "--auto-remove")
	f.BoolVar(&n.AutoHeal, "auto-heal", false, "make it anew if it vanishes")
	f.BoolVarP(&n.Interactive, "interactive", "i", false, "keep its input open, for attach")
	f.BoolVarP(&n.TTY, "tty", "t", false, "give it a terminal")
	f.StringVar(&n.Hostname, "hostname", "", "host name")
	f.StringVarP(&n.Workdir, "workdir", "w", "", "working directory")
	f.StringVar(&n.entrypoint, "entrypoint", "", "words that replace the ENTRYPOINT of the image, with spaces between")
	f.StringVar(&n.pull, "pull", "", "always, ifnotpresent or never; for administrators")
	f.StringVar(&n.Registry, "registry", "", "registry, by name or UUID, whose login is used")
	f.StringVar(&n.ImageDriver, "image-driver", "", "docker or glance")
	f.BoolVar(&n.Privileged, "privileged", false, "all power over the host")
	f.StringVar(&n.Runtime, "runtime", "", "OCI runtime; for administrators")
	f.StringVar(&n.Host, "host", "", "host to run on; for administrators")
	f.StringVar(&n.AvailabilityZone, "availability-zone", "", "zone of the hosts to choose from")
	f.StringArrayVar(&n.SecurityGroups, "security-group", nil, "security group")
	f.StringArrayVar(&n.healths, "healthcheck", nil, "cmd=COMMAND,interval=SECONDS,retries=N,timeout=SECONDS")
	f.StringArrayVar(&n.hints, "hint", nil, "hint for the scheduler: NAME=VALUE")
	f.StringVar(&n.Sandbox, "sandbox", "", "sandbox to put it into, by name or UUID")
	f.StringVar(&n.Capsule, "capsule", "", "capsule to put it into, by name or UUID")
	c.MarkFlagsMutuallyExclusive("sandbox", "capsule")
	_ = f.MarkHidden("rm")
	_ = c.RegisterFlagCompletionFunc("restart", cobra.FixedCompletions([]string{"no", "always", "unless-stopped", "on-failure"}, cobra.ShellCompDirectiveNoFileComp))
}

// container is what the flags and the arguments ask for.
func (n *creation) container(args []string) (resources.NewContainer, error) {
	n.Image, n.Command = args[0], args[1:]
	n.ImagePullPolicy, n.Entrypoint = n.pull, strings.Fields(n.entrypoint)
	var err error
	for _, read := range []func() error{
		func() error { n.Memory, err = mebibytes(n.memory); return err },
		n.readEnv,
		func() error { n.Labels, err = assignments("--label", n.labels); return err },
		func() error { n.Hints, err = assignments("--hint", n.hints); return err },
		n.readMounts, n.readNets, n.readPorts, n.readRestart, n.readHealth,
	} {
		if err := read(); err != nil {
			return n.NewContainer, err
		}
	}
	return n.NewContainer, nil
}

// mebibytes reads a size; a bare number is MiB already, as everywhere in Zun. M and G are binary, as everywhere in Docker.
func mebibytes(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if _, err := strconv.ParseUint(text, 10, 63); err == nil {
		return text, nil
	}
	unit := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	if last := len(unit) - 1; last > 0 && strings.ContainsRune("KMGT", rune(unit[last])) {
		if q, err := resource.ParseQuantity(unit[:last] + map[byte]string{'K': "Ki", 'M': "Mi", 'G': "Gi", 'T': "Ti"}[unit[last]]); err == nil && q.Value() >= 1<<20 {
			return strconv.FormatInt(q.Value()>>20, 10), nil
		}
	}
	return "", fmt.Errorf("--memory %s: give MiB, or a number with a unit, such as 512M or 2Gi", text)
}

func (n *creation) readEnv() error {
	words := n.env
	if n.envFile != "" {
		f, err := os.Open(n.envFile)
		if err != nil {
			return fmt.Errorf("--env-file: %w", err)
		}
		defer f.Close()
		var inFile []string
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' {
				inFile = append(inFile, line)
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("--env-file: %w", err)
		}
		words = append(inFile, words...)
	}
	for i, w := range words {
		if !strings.Contains(w, "=") {
			value, ok := os.LookupEnv(w)
			if !ok {
				return fmt.Errorf("--env %s: there is no such variable here; give it as %s=VALUE", w, w)
			}
			words[i] = w + "=" + value
		}
	}
	var err error
	n.Environment, err = assignments("--env", words)
	return err
}

// assignments reads NAME=VALUE words.
func assignments(flag string, words []string) (map[string]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	m := map[string]string{}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s %s: it is not NAME=VALUE", flag, w)
		}
		m[name] = value
	}
	return m, nil
}

// fields reads a list of NAME=VALUE with commas between, of the names known.
func fields(flag, text string, known ...string) (map[string]string, error) {
	m := map[string]string{}
	for _, part := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("%s %s: %q is not NAME=VALUE", flag, text, part)
		}
		found := false
		for _, k := range known {
			found = found || k == name
		}
		if !found {
			return nil, fmt.Errorf("%s %s: there is no %s; there are %s", flag, text, name, strings.Join(known, ", "))
		}
		m[name] = value
	}
	return m, nil
}

func (n *creation) readMounts() error {
	for _, v := range n.volumes {
		source, destination, ok := strings.Cut(v, ":")
		if !ok || source == "" || destination == "" {
			return fmt.Errorf("--volume %s: it is not VOLUME:PATH", v)
		}
		n.Mounts = append(n.Mounts, resources.Mount{Source: source, Destination: destination})
	}
	for _, text := range n.mounts {
		m, err := fields("--mount", text, "source", "size", "destination", "type")
		if err != nil {
			return err
		}
		if m["destination"] == "" {
			return fmt.Errorf("--mount %s: it has no destination", text)
		}
		mount := resources.Mount{Source: m["source"], Size: m["size"], Destination: m["destination"], Type: m["type"]}
		if mount.Type == "bind" {
			content, err := os.ReadFile(mount.Source)
			if err != nil {
				return fmt.Errorf("--mount %s: %w", text, err)
			}
			if len(content) > maxInjected {
				return fmt.Errorf("--mount %s: the file has more than %d KiB", text, maxInjected>>10)
			}
			mount.Source = base64.StdEncoding.EncodeToString(content)
		}
		n.Mounts = append(n.Mounts, mount)
	}
	return nil
}

func (n *creation) readNets() (err error) {
	n.Nets, err = networksOf(n.nets)
	return err
}

// netUsage is the help of --net.
const netUsage = "network, or network=NAME,v4-fixed-ip=ADDRESS,v6-fixed-ip=ADDRESS, or port=UUID"

// networksOf reads --net.
func networksOf(texts []string) (nets []resources.Net, err error) {
	for _, text := range texts {
		if !strings.Contains(text, "=") {
			nets = append(nets, resources.Net{Network: text})
			continue
		}
		m, err := fields("--net", text, "network", "port", "v4-fixed-ip", "v6-fixed-ip")
		if err != nil {
			return nil, err
		}
		nets = append(nets, resources.Net{Network: m["network"], Port: m["port"], V4FixedIP: m["v4-fixed-ip"], V6FixedIP: m["v6-fixed-ip"]})
	}
	return nets, nil
}

func (n *creation) readPorts() error {
	for _, text := range n.publish {
		wrong := fmt.Errorf("--publish %s: it is not [HOSTPORT:]PORT[/tcp or /udp]", text)
		head, protocol, _ := strings.Cut(text, "/")
		host, port, both := strings.Cut(head, ":")
		if !both {
			host, port = "0", head
		}
		if protocol == "" {
			protocol = "tcp"
		}
		p, err := strconv.ParseUint(port, 10, 16)
		h, errHost := strconv.ParseUint(host, 10, 16)
		if err != nil || errHost != nil || p == 0 || protocol != "tcp" && protocol != "udp" {
			return wrong
		}
		if n.ExposedPorts == nil {
			n.ExposedPorts = map[string]resources.Exposed{}
		}
		n.ExposedPorts[fmt.Sprintf("%d/%s", p, protocol)] = resources.Exposed{HostPort: int(h)}
	}
	return nil
}

func (n *creation) readRestart() error {
	if n.restart == "" {
		return nil
	}
	name, count, _ := strings.Cut(n.restart, ":")
	switch name {
	case "no", "always", "unless-stopped", "on-failure":
	default:
		return fmt.Errorf("--restart %s: the policies are no, always, unless-stopped, on-failure and on-failure:COUNT", n.restart)
	}
	if _, err := strconv.ParseUint(count, 10, 31); count != "" && (err != nil || name != "on-failure") {
		return fmt.Errorf("--restart %s: %q is no count of on-failure", n.restart, count)
	}
	n.RestartPolicy = &resources.RestartPolicy{Name: name, MaximumRetryCount: count}
	return nil
}

func (n *creation) readHealth() error {
	for _, text := range n.healths {
		m, err := fields("--healthcheck", text, "cmd", "interval", "retries", "timeout")
		if err != nil {
			return err
		}
		for name, value := range m {
			if n.Healthcheck == nil {
				n.Healthcheck = map[string]any{}
			}
			n.Healthcheck[name] = value
			if number, err := strconv.Atoi(value); err == nil && name != "cmd" {
				n.Healthcheck[name] = number
			}
		}
	}
	return nil
}
