package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// problems collects what is wrong, each with its key.
type problems []error

func (p *problems) add(key, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

// Validate names every key that is wrong with the reason, joined. It looks at no file.
func (c *Config) Validate() error {
	var p problems
	if bad := validation.IsDNS1123Label(c.Instance); bad != nil {
		p.add("instance", "%q is not a name of lower-case letters, digits and dashes (at most 63)", c.Instance)
	}
	p.absolute("stateDir", c.StateDir)
	p.absolute("runDir", c.RunDir)
	p.absolute("seccompDir", c.SeccompDir)
	if _, err := logrus.ParseLevel(c.Log.Level); err != nil {
		p.add("log.level", "%q is none of error, warning, info, debug, trace", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		p.add("log.format", "%q is neither text nor json", c.Log.Format)
	}
	c.API.validate(&p)
	c.Store.validate(&p)
	if c.Volumes.Sized != "" && c.Volumes.Sized != "local" {
		p.add("volumes.sized", "%q is neither local nor empty", c.Volumes.Sized)
	}
	c.validateHosts(&p)
	c.Networks.validate(&p)
	c.Quota.validate(&p)
	c.validateNotifications(&p)
	c.Node.validate(&p)
	return errors.Join(p...)
}

// engineNetwork is Docker's own pattern for names.
var engineNetwork = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

func (n *Networks) validate(p *problems) {
	for i, name := range n.Engine {
		key := fmt.Sprintf("networks.engine[%d]", i)
		switch {
		case !engineNetwork.MatchString(name):
			p.add(key, "%q is not the name of a network", name)
		case name == "host" || name == "none" || name == "default":
			p.add(key, "%s is not a network that can be chosen", name)
		}
	}
}

func (q *Quota) validate(p *problems) {
	for key, limit := range map[string]int64{
		"quota.containers": q.Containers, "quota.memoryMiB": q.MemoryMiB, "quota.cpu": q.CPU, "quota.diskGiB": q.DiskGiB,
	} {
		if limit < -1 {
			p.add(key, "%d is less than -1, which is no limit", limit)
		}
	}
}

func (p *problems) absolute(key, path string) {
	if !filepath.IsAbs(path) {
		p.add(key, "%q is not an absolute path", path)
	}
}

// pair wants both files or none.
func (p *problems) pair(certKey, cert, keyKey, key string) {
	if cert != "" && key == "" {
		p.add(keyKey, "is missing: %s is set and needs its key", certKey)
	}
	if cert == "" && key != "" {
		p.add(certKey, "is missing: %s is set and needs its certificate", keyKey)
	}
}

func (p *problems) address(key, ip string) {
	if ip == "" {
		return
	}
	if _, err := netip.ParseAddr(ip); err != nil {
		p.add(key, "%q is not an IP address", ip)
	}
}

func (s *Store) validate(p *problems) {
	p.pair("store.certFile", s.CertFile, "store.keyFile", s.KeyFile)
	for _, endpoint := range s.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			p.add("store.endpoints", "%q is not like https://host:2379", endpoint)
		}
	}
	if len(s.Endpoints) == 0 {
		for _, k := range [][2]string{{"store.certFile", s.CertFile}, {"store.caFile", s.CAFile}, {"store.username", s.Username}} {
			if k[1] != "" {
				p.add(k[0], "is for an etcd cluster, and store.endpoints names none")
			}
		}
	}
	if (s.Username == "") != (s.PasswordFile == "") {
		p.add("store.username", "and store.passwordFile go together")
	}
	if !strings.HasPrefix(s.Prefix, "/") || s.Prefix == "/" {
		p.add("store.prefix", "%q is not like /capsulet/", s.Prefix)
	}
}

var hostName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,252}$`)

func (c *Config) validateHosts(p *problems) {
	if len(c.Hosts) == 0 {
		p.add("hosts", "names no Docker host")
	}
	names, endpoints := map[string]int{}, map[string]int{}
	for i := range c.Hosts {
		h, key := &c.Hosts[i], fmt.Sprintf("hosts[%d]", i)
		if h.Name != "" && !hostName.MatchString(h.Name) {
			p.add(key+".name", "%q has other characters than letters, digits, dot, dash and underscore", h.Name)
		}
		if first, ok := names[h.Name]; ok && h.Name != "" {
			p.add(key+".name", "%q is the name of hosts[%d] too", h.Name, first)
		}
		if first, ok := endpoints[h.Endpoint]; ok {
			p.add(key+".endpoint", "%q is the endpoint of hosts[%d] too", h.Endpoint, first)
		}
		names[h.Name], endpoints[h.Endpoint] = i, i
		p.address(key+".address", h.Address)
		if _, err := netip.ParseAddr(h.PublicAddress); h.PublicAddress != "" && err != nil && validation.IsDNS1123Subdomain(h.PublicAddress) != nil {
			p.add(key+".publicAddress", "%q is neither an IP address nor a name", h.PublicAddress)
		}
		h.validateEndpoint(p, key)
	}
}

func (c *Config) validateNotifications(p *problems) {
	for i, n := range c.Notifications {
		key := fmt.Sprintf("notifications[%d]", i)
		u, err := url.Parse(n.URL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			p.add(key+".url", "is not like https://hooks.example/capsulet")
		case u.Scheme == "http" && !loopback(u.Hostname()):
			p.add(key+".url", "%s is on another machine, and without TLS everybody on the way could read what is sent", u.Host)
		}
		for _, pattern := range n.Events {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
				p.add(key+".events", "%q is not like capsule.*.end", pattern)
			}
		}
	}
}

func (h *Host) validateEndpoint(p *problems, key string) {
	p.pair(key+".tls.cert", h.TLS.Cert, key+".tls.key", h.TLS.Key)
	u, err := url.Parse(h.Endpoint)
	switch {
	case err != nil || u.Scheme == "":
		p.add(key+".endpoint", "%q is not like unix:///var/run/docker.sock or tcp://host:2376", h.Endpoint)
	case u.Scheme == "unix":
		if !filepath.IsAbs(u.Path) || u.Host != "" {
			p.add(key+".endpoint", "%q names no absolute path, as unix:///var/run/docker.sock does", h.Endpoint)
		}
	case u.Scheme == "tcp":
		if u.Hostname() == "" || !isPort(u.Port(), 1) {
			p.add(key+".endpoint", "%q is not like tcp://host:2376", h.Endpoint)
		} else if !loopback(u.Hostname()) && (h.TLS.CA == "" || h.TLS.Cert == "") {
			p.add(key+".endpoint", "%s is on the network, and without mutual TLS whoever reaches it is root there; set %s.tls.ca, .cert and .key",
				h.Endpoint, key)
		}
	default:
		p.add(key+".endpoint", "the scheme of %q is neither unix nor tcp", h.Endpoint)
	}
}

func (n *Node) validate(p *problems) {
	if bad := validation.IsDNS1123Subdomain(n.Name); bad != nil {
		p.add("node.name", "%q is not a name of lower-case letters, digits, dashes and dots", n.Name)
	}
	p.address("node.address", n.Address)
	p.address("node.kubeletListen", n.KubeletListen)
	if !isPort(strconv.Itoa(n.KubeletPort), 1) {
		p.add("node.kubeletPort", "%d is not a port", n.KubeletPort)
	}
	if n.MaxPods < 1 {
		p.add("node.maxPods", "%d is less than 1", n.MaxPods)
	}
	for _, name := range slices.Sorted(maps.Keys(n.Labels)) {
		value := n.Labels[name]
		for _, bad := range append(validation.IsQualifiedName(name), validation.IsValidLabelValue(value)...) {
			p.add("node.labels", "%s=%s: %s", name, value, bad)
		}
	}
	if !n.NoTaint {
		p.taint(n.Taint)
	}
	p.quantity("node.reserved.cpu", n.Reserved.CPU)
	p.quantity("node.reserved.memory", n.Reserved.Memory)
	p.pair("node.servingCertFile", n.ServingCertFile, "node.servingKeyFile", n.ServingKeyFile)
}

func (p *problems) taint(taint string) {
	rest, effect, _ := strings.Cut(taint, ":")
	name, value, _ := strings.Cut(rest, "=")
	known := effect == "NoSchedule" || effect == "PreferNoSchedule" || effect == "NoExecute"
	if !known || validation.IsQualifiedName(name) != nil || validation.IsValidLabelValue(value) != nil {
		p.add("node.taint", "%q is not key[=value]:effect with the effect NoSchedule, PreferNoSchedule or NoExecute; "+
			"for no taint set node.noTaint", taint)
	}
}

func (p *problems) quantity(key, text string) {
	if text == "" {
		return
	}
	if q, err := resource.ParseQuantity(text); err != nil || q.Sign() < 0 {
		p.add(key, "%q is not a quantity like 500m or 1Gi", text)
	}
}

func isPort(text string, lowest int) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= lowest && n <= 65535
}

// loopback says whether only this machine reaches host. An empty host is every address.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
