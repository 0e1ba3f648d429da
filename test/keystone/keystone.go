// Package keystone runs a real Keystone, Debian's, for tests: on loopback, with SQLite and its keys in a directory of the test.
//
//	New ──► configuration, keys, keystone-manage db_sync and bootstrap ──► uwsgi, as Debian's service runs it
//
// Nothing of the machine's own Keystone, if it has one, is read or changed: configuration, database, keys and log are in the
// directory. Stop ends it as a crash would be seen from outside; Start brings it back on the same address with the same data.
//
// Decisions (2026-11-26): the Fernet keys are written here rather than by keystone-manage, each start of which takes seconds.
package keystone

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/capsulet/capsulet/test/child"
)

const (
	// AdminPassword is of the user admin in the project admin.
	AdminPassword = "password-of-the-admin"
	// Region is of all endpoints.
	Region = "here"

	startTimeout = 4 * time.Minute
	stopTimeout  = 20 * time.Second
)

// Server is a Keystone. It is for one goroutine.
type Server struct {
	// URL is of the API v3.
	URL string

	dir, address string
	cmd          *exec.Cmd
	ended        <-chan struct{}
}

// New makes a Keystone in dir, and starts it. Its tokens live for an hour.
func New(ctx context.Context, dir string) (*Server, error) {
	port, err := child.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, address: fmt.Sprintf("127.0.0.1:%d", port)}
	s.URL = "http://" + s.address + "/v3"
	if err := s.SetTokenLife(time.Hour); err != nil {
		return nil, err
	}
	for _, keys := range []string{"fernet", "credential"} {
		if err := writeKeys(filepath.Join(dir, keys)); err != nil {
			return nil, err
		}
	}
	if err := s.manage(ctx, "db_sync"); err != nil {
		return nil, err
	}
	// Keystone reads on one connection and writes on another in one request; with a journal the reader locks the writer out.
	if out, err := exec.CommandContext(ctx, "sqlite3", filepath.Join(s.dir, "keystone.db"), "PRAGMA journal_mode=WAL").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("give the database a write-ahead log: %w\n%s", err, out)
	}
	if err := s.manage(ctx, "bootstrap", "--bootstrap-region-id", Region, "--bootstrap-public-url", s.URL, "--bootstrap-internal-url", s.URL,
		"--bootstrap-admin-url", s.URL); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// SetTokenLife is for tokens that are given after the next Start.
func (s *Server) SetTokenLife(d time.Duration) error {
	return os.WriteFile(s.conf(), fmt.Appendf(nil, `[DEFAULT]
log_file = %[1]s/keystone.log
[database]
connection = sqlite:///%[1]s/keystone.db
[identity]
password_hash_rounds = 4
[token]
provider = fernet
expiration = %[2]d
[fernet_tokens]
key_repository = %[1]s/fernet
[fernet_receipts]
key_repository = %[1]s/fernet
[credential]
key_repository = %[1]s/credential
[cache]
enabled = false
`, s.dir, int(d.Seconds())), 0o600)
}

func (s *Server) conf() string { return filepath.Join(s.dir, "keystone.conf") }

// writeKeys makes a staged key and a primary one.
func writeKeys(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"0", "1"} {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(base64.URLEncoding.EncodeToString(key)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) manage(ctx context.Context, command string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "keystone-manage", append([]string{"--config-file", s.conf(), command}, args...)...)
	cmd.Env = append(os.Environ(), "OS_BOOTSTRAP_PASSWORD="+AdminPassword)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("keystone-manage %s: %w\n%s", command, err, out)
	}
	return nil
}

// Start starts it and returns when it answers.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("keystone does not answer after %s; see %s", startTimeout, s.dir))
	defer cancel()
	out, err := os.OpenFile(filepath.Join(s.dir, "uwsgi.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	s.cmd = exec.Command("uwsgi", "--plugins", "python3", "--http-socket", s.address, "--wsgi-file", "/usr/bin/keystone-wsgi-public", "--master",
		"--die-on-term", "--need-app", "--no-orphans", "--processes", "1", "--threads", "4", "--buffer-size", "65535", "--lazy-apps",
		"--add-header", "Connection: close") // it closes them anyway, and a client who does not know loses a request now and then
	s.cmd.Env = append(os.Environ(), "OS_KEYSTONE_CONFIG_DIR="+s.dir, "OS_KEYSTONE_CONFIG_FILES=keystone.conf")
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if s.ended, err = child.Start(s.cmd); err != nil {
		return fmt.Errorf("start uwsgi with Keystone: %w", err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.ended:
			return fmt.Errorf("keystone ended; see %s", out.Name())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Stop ends it, if it runs, with all its processes.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // the group is ours, made by Start
	select {
	case <-s.ended:
		s.cmd = nil
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("uwsgi (process %d) does not end", s.cmd.Process.Pid)
	}
}

// Login is a client of the identity service with a new token of a user of the domain Default.
func (s *Server) Login(ctx context.Context, user, password, project string) (*gophercloud.ServiceClient, error) {
	provider, err := openstack.NewClient(s.URL)
	if err != nil {
		return nil, err
	}
	err = openstack.AuthenticateV3(ctx, provider, &tokens.AuthOptions{Username: user, Password: password, DomainName: "Default",
		Scope: tokens.Scope{ProjectName: project, DomainName: "Default"}}, gophercloud.EndpointOpts{})
	if err != nil {
		return nil, fmt.Errorf("log %s in: %w", user, err)
	}
	return openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
}
