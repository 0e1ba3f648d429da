package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/capsulet/capsulet/config"
	"github.com/capsulet/capsulet/zunserver/auth"
)

// served listens as the configuration says, in front of a handler that answers who is calling.
func served(t *testing.T, change func(dir string, a *config.API)) (dir string, log *test.Hook) {
	t.Helper()
	dir = t.TempDir()
	cfg := config.Default()
	cfg.API.TokenFile = filepath.Join(dir, "admin.token")
	change(dir, &cfg.API)
	logger, log := test.NewNullLogger()
	known, err := callers(&cfg, logrus.NewEntry(logger))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- listen(ctx, &cfg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, err := auth.Under(nil, known).Authenticate(r)
			if err != nil {
				w.WriteHeader(http.StatusUnauthorized)
			}
			fmt.Fprintf(w, "%s/%s %v", id.Project, id.User, id.Admin)
		}), logrus.NewEntry(logger))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return dir, log
}

// who asks until somebody listens, and returns what is answered.
func who(t *testing.T, client *http.Client, url, token string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Auth-Token", token)
		resp, err := client.Do(r)
		if err == nil {
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-tick.C:
		}
	}
}

func bySocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
}

// freePort is an address that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestSocket: who opens it is the administrator, on another address a token is needed, and a socket of a dead process is replaced.
func TestSocket(t *testing.T) {
	address := freePort(t)
	dir, _ := served(t, func(dir string, a *config.API) {
		path := filepath.Join(dir, "run", "api.sock")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		_ = dead.Close()
		a.Listen, a.SocketMode = config.Addresses{"unix://" + path, address}, "0660"
	})
	path := filepath.Join(dir, "run", "api.sock")
	for _, token := range []string{"", "notused"} {
		if got := who(t, bySocket(path), "http://localhost/", token); got != "admin/admin true" {
			t.Errorf("by the socket with the token %q: %q", token, got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := who(t, http.DefaultClient, "http://"+address, ""); got != "/ false" {
		t.Errorf("by TCP without a token: %q", got)
	}
	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	if got := who(t, http.DefaultClient, "http://"+address, strings.TrimSpace(string(token))); got != "admin/admin true" {
		t.Errorf("by TCP with the token: %q", got)
	}
	cfg := config.Default()
	if _, err := listenOn(t.Context(), &cfg.API, "unix://"+path); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a socket in use is taken: %v", err)
	}
	other := file(t, "other", "precious")
	if _, err := listenOn(t.Context(), &cfg.API, "unix://"+other); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file that is no socket: %v", err)
	}
}

func TestWithoutAuthentication(t *testing.T) {
	address := freePort(t)
	_, log := served(t, func(_ string, a *config.API) { a.Listen, a.InsecureNoAuth = config.Addresses{address}, true })
	if got := who(t, http.DefaultClient, "http://"+address, "anything"); got != "admin/admin true" {
		t.Errorf("%q", got)
	}
	if last := log.LastEntry(); last == nil || last.Level != logrus.WarnLevel || !strings.Contains(last.Message, "WITHOUT AUTHENTICATION") {
		t.Errorf("nothing warns: %v", last)
	}
}

// authority signs certificates.
type authority struct {
	*testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{T: t}
	a.cert, a.key = a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	return a
}

func (a *authority) issue(template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = serial, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.Fatal(err)
	}
	return cert, key
}

// pair is a certificate and its key as PEM.
func (a *authority) pair(name string) (cert, key []byte) {
	a.Helper()
	c, k := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, a)
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestClientCertificates: one of the authority is who the file says; one of another is nobody, and what the files say later counts.
func TestClientCertificates(t *testing.T) {
	ours, theirs, address := newAuthority(t), newAuthority(t), freePort(t)
	callersOf := func(name string) []byte {
		return []byte("- {user: robot, project: builds, commonName: " + name + "}\n")
	}
	dir, _ := served(t, func(dir string, a *config.API) {
		cert, key := ours.pair("first")
		a.Listen = config.Addresses{address}
		a.TLSCertFile, a.TLSKeyFile = write(t, filepath.Join(dir, "cert"), cert), write(t, filepath.Join(dir, "key"), key)
		a.ClientCAFile = write(t, filepath.Join(dir, "ca"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.cert.Raw}))
		a.CallersFile = write(t, filepath.Join(dir, "callers"), callersOf("robot.example.org"))
	})
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)
	server := ""
	client := func(of *authority, name string) *http.Client {
		c := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, VerifyConnection: func(s tls.ConnectionState) error {
			server = s.PeerCertificates[0].Subject.CommonName
			return nil
		}}
		if of != nil {
			pair, err := tls.X509KeyPair(of.pair(name))
			if err != nil {
				t.Fatal(err)
			}
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	}
	for _, tc := range []struct {
		of         *authority
		name, want string
	}{
		{ours, "robot.example.org", "builds/robot false"}, {ours, "other.example.org", "/ false"}, {nil, "", "/ false"},
	} {
		if got := who(t, client(tc.of, tc.name), "https://"+address, ""); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if _, err := client(theirs, "robot.example.org").Get("https://" + address); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of another authority: %v", err)
	}
	cert, key := ours.pair("second one")
	write(t, filepath.Join(dir, "cert"), cert)
	write(t, filepath.Join(dir, "key"), key)
	write(t, filepath.Join(dir, "callers"), callersOf("other.example.org"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for got := ""; got != "builds/robot false" || server != "second one"; {
		select {
		case <-ctx.Done():
			t.Fatalf("changed files are not taken over: %q, certificate %q", got, server)
		case <-tick.C:
			got = who(t, client(ours, "other.example.org"), "https://"+address, "")
		}
	}
}

// TestBadCallersEndTheStart: what cannot be read is named before anything is served.
func TestBadCallersEndTheStart(t *testing.T) {
	for want, change := range map[string]func(*config.API){
		"api.callersFile":                 func(a *config.API) { a.CallersFile = "/nope" },
		"api.keystone":                    func(a *config.API) { a.Keystone.URL, a.Keystone.PasswordFile = "http://127.0.0.1:1", "/nope" },
		"container:fly: there is no such": func(a *config.API) { a.PolicyFile = file(t, "policy.yaml", `"container:fly": "@"`) },
	} {
		cfg := config.Default()
		cfg.API.TokenFile = filepath.Join(t.TempDir(), "token")
		change(&cfg.API)
		_, err := callers(&cfg, logrus.NewEntry(logrus.New()))
		if err == nil {
			_, err = policy(&cfg, logrus.NewEntry(logrus.New()))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// TestPolicyFileIsReread: a changed policy counts without a start, a broken one leaves the last good one.
func TestPolicyFileIsReread(t *testing.T) {
	path := file(t, "policy.yaml", `"context_is_admin": "role:one"`)
	cfg := config.Default()
	cfg.API.PolicyFile = path
	get, err := policy(&cfg, logrus.NewEntry(logrus.New()))
	if err != nil {
		t.Fatal(err)
	}
	first := get()
	for _, c := range []struct {
		document string
		changes  bool
	}{{`"context_is_admin": "role:other"`, true}, {`"container:fly": "@"`, false}} {
		if err := os.WriteFile(path, []byte(c.document), 0o600); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(1500 * time.Millisecond) // it looks once a second
		for get() == first && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		if now := get(); (now != first) != c.changes {
			t.Errorf("%s: taken over %v, want %v", c.document, now != first, c.changes)
		} else {
			first = now
		}
	}
}
