package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const stateFile = "controlplane.json"

// state is what the next Start or Stop must know.
type state struct {
	Programs string         `json:"programs"`
	Ports    ports          `json:"ports"`
	PIDs     map[string]int `json:"pids"`
}

// open locks dir and reads what is known of the control plane in it. The programs that run win over the given ones:
// after an upgrade the old ones must still be recognised.
func open(ctx context.Context, dir string, programs Programs) (*ControlPlane, func(), error) {
	if dir == "" {
		return nil, nil, errors.New("control plane: Config.Dir is empty")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the control plane's directory: %w", err)
	}
	c := &ControlPlane{Dir: abs, pki: pki{filepath.Join(abs, "pki")}}
	unlock, err := lockFile(ctx, c.path("lock"))
	if err != nil {
		return nil, nil, err
	}
	if err := c.loadState(); err != nil {
		unlock()
		return nil, nil, err
	}
	c.programs = Programs{c.state.Programs}
	if programs.Dir != "" && (c.programs.Dir == "" || c.running() == 0) {
		c.programs = programs
	}
	c.state.Programs = c.programs.Dir
	c.Kubeconfig, c.Kubectl = c.path("admin.kubeconfig"), c.programs.Path("kubectl")
	c.URL = loopback("https", c.state.Ports.API)
	return c, unlock, nil
}

func (c *ControlPlane) path(name string) string { return filepath.Join(c.Dir, name) }

func (c *ControlPlane) loadState() error {
	b, err := os.ReadFile(c.path(stateFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the state of the control plane: %w", err)
	}
	if err == nil {
		if err := json.Unmarshal(b, &c.state); err != nil {
			return fmt.Errorf("read %s: %w", c.path(stateFile), err)
		}
	}
	if c.state.PIDs == nil {
		c.state.PIDs = map[string]int{}
	}
	return nil
}

func (c *ControlPlane) saveState() error {
	b, err := json.MarshalIndent(c.state, "", "  ")
	if err != nil {
		return err
	}
	tmp := c.path(stateFile + ".tmp")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write the state of the control plane: %w", err)
	}
	return os.Rename(tmp, c.path(stateFile))
}

// pickPorts keeps the recorded ports while they are free: kubeconfigs that people copied stay good.
func (c *ControlPlane) pickPorts() error {
	p := &c.state.Ports
	taken := map[int]bool{}
	for _, port := range []*int{&p.EtcdClient, &p.EtcdPeer, &p.API, &p.ControllerManager, &p.Scheduler} {
		if err := pickPort(port, taken); err != nil {
			return err
		}
	}
	c.URL = loopback("https", p.API)
	return c.saveState()
}

// pickPort changes a port that is not free or taken, and takes it.
func pickPort(port *int, taken map[int]bool) error {
	for try := 0; *port == 0 || taken[*port] || !free(*port); try++ {
		if try == 200 {
			return errors.New("no free port found on 127.0.0.1 between 20000 and 30000")
		}
		*port = 20000 + rand.IntN(10000) // below the kernel's ephemeral range: no outgoing connection takes it
	}
	taken[*port] = true
	return nil
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// get asks the API server as the administrator; anything but 200 is an error.
func (c *ControlPlane) get(ctx context.Context, path string) error {
	cert, err := tls.LoadX509KeyPair(c.pki.cert("admin"), c.pki.key("admin"))
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(c.pki.cert("ca"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}}
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return err
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 2048))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, res.Status, body)
	}
	return nil
}

func (c *ControlPlane) writeKubeconfigs() error {
	for _, user := range []string{"admin", "controller-manager", "scheduler"} {
		if err := c.writeKubeconfig(user); err != nil {
			return fmt.Errorf("write the kubeconfig of %s: %w", user, err)
		}
	}
	return nil
}

// writeKubeconfig writes that of a user with a certificate.
func (c *ControlPlane) writeKubeconfig(user string) error {
	var data [2][]byte
	for i, file := range []string{c.pki.cert(user), c.pki.key(user)} {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		data[i] = b
	}
	return c.writeConfig(user, object{"client-certificate-data": data[0], "client-key-data": data[1]})
}

type object map[string]any

// writeConfig writes JSON, which is YAML. The keys are inside, so that the file can be copied elsewhere.
func (c *ControlPlane) writeConfig(user string, credentials object) error {
	ca, err := os.ReadFile(c.pki.cert("ca"))
	if err != nil {
		return err
	}
	name := "capsulet"
	doc := object{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": []object{{"name": name, "cluster": object{"server": c.URL, "certificate-authority-data": ca}}},
		"users":    []object{{"name": user, "user": credentials}},
		"contexts": []object{{"name": name, "context": object{"cluster": name, "user": user}}},
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.path(user+".kubeconfig"), b, 0o600)
}
