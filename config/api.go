package config

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v3"
)

// Addresses are one or more; in YAML, one may stand without a list around it.
type Addresses []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (a *Addresses) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*a = split(n.Value)
		return nil
	}
	var list []string
	err := n.Decode(&list)
	*a = list
	return err
}

// SocketPath is the path of a unix:// address.
func SocketPath(address string) (path string, ok bool) { return strings.CutPrefix(address, "unix://") }

func (a *API) validate(p *problems) {
	p.pair("api.tlsCertFile", a.TLSCertFile, "api.tlsKeyFile", a.TLSKeyFile)
	if a.ClientCAFile != "" && a.TLSCertFile == "" {
		p.add("api.clientCAFile", "is for TLS, and api.tlsCertFile is not set")
	}
	if a.ClientCAFile != "" && a.CallersFile == "" {
		p.add("api.clientCAFile", "is for certificates whose identities api.callersFile says, and that is not set")
	}
	if a.MaxBodyBytes <= 0 {
		p.add("api.maxBodyBytes", "%d is not positive", a.MaxBodyBytes)
	}
	p.duration("api.streamIdleTimeout", a.StreamIdleTimeout, "4h")
	if u, err := url.Parse(a.WebsocketURL); a.WebsocketURL != "" && (err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" || u.RawQuery != "") {
		p.add("api.websocketURL", "%q is not like wss://zun.example/v1/websocket", a.WebsocketURL)
	}
	if a.SocketMode != "0600" && a.SocketMode != "0660" {
		p.add("api.socketMode", "%q is neither 0600 nor 0660: who can open a socket is the administrator", a.SocketMode)
	}
	if len(a.Listen) == 0 {
		p.add("api.listen", "names no address")
	}
	for _, address := range a.Listen {
		a.validateAddress(p, address)
	}
	a.Keystone.validate(p)
	for key, n := range map[string]int{"perIdentity": a.Limits.PerIdentity, "perIdentityBurst": a.Limits.PerIdentityBurst,
		"unknown": a.Limits.Unknown, "unknownBurst": a.Limits.UnknownBurst} {
		if n < 0 {
			p.add("api.limits."+key, "%d is negative", n)
		}
	}
}

func (a *API) validateAddress(p *problems, address string) {
	if path, ok := SocketPath(address); ok {
		if !filepath.IsAbs(path) {
			p.add("api.listen", "%q names no absolute path, as unix:///run/capsulet/api.sock does", address)
		}
		return
	}
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil || !isPort(port, 0):
		p.add("api.listen", "%q is not host:port or unix:///path", address)
	case !loopback(host) && a.InsecureNoAuth:
		p.add("api.insecureNoAuth", "makes everybody the administrator who reaches %s, from other machines, too; listen on 127.0.0.1 or unix:///path",
			address)
	case !loopback(host) && a.TLSCertFile == "":
		p.add("api.listen", "%s is reachable from other machines, and without TLS the token of every caller could be read "+
			"on the way; set api.tlsCertFile and api.tlsKeyFile, or listen on 127.0.0.1", address)
	}
}

func (k *Keystone) validate(p *problems) {
	if k.URL == "" {
		for key, value := range map[string]string{"publicURL": k.PublicURL, "username": k.Username, "passwordFile": k.PasswordFile,
			"project": k.Project, "caFile": k.CAFile} {
			if value != "" {
				p.add("api.keystone."+key, "is for a Keystone, and api.keystone.url names none")
			}
		}
		return
	}
	for key, text := range map[string]string{"url": k.URL, "publicURL": k.PublicURL} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			p.add("api.keystone."+key, "%q is not like https://keystone:5000/v3", text)
		}
	}
	for key, value := range map[string]string{"username": k.Username, "passwordFile": k.PasswordFile, "userDomain": k.UserDomain,
		"project": k.Project, "projectDomain": k.ProjectDomain} {
		if value == "" {
			p.add("api.keystone."+key, "is missing: the service user is needed to validate tokens")
		}
	}
	p.duration("api.keystone.cacheTTL", k.CacheTTL, "1m")
}

func (p *problems) duration(key, text, example string) {
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		p.add(key, "%q is no duration above 0, such as %s", text, example)
	}
}

// Clear says that tokens and the password travel to Keystone in the clear, over a network.
func (k *Keystone) Clear() bool {
	u, err := url.Parse(k.URL)
	return err == nil && u.Scheme == "http" && !loopback(u.Hostname())
}
