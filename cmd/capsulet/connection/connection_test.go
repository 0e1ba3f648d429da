package connection

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// api answers to everything and remembers who asked.
func api(t *testing.T, start func(*httptest.Server)) (*httptest.Server, *string) {
	t.Helper()
	token := new(string)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*token = r.Header.Get("X-Auth-Token")
		if r.URL.Path == "/v3/auth/tokens" {
			w.Header().Set("X-Subject-Token", "of-keystone")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token":{"expires_at":"2099-01-01T00:00:00.000000Z","catalog":[{"type":"container","endpoints":[
				{"interface":"public","url":"http://%s"}]}]}}`, r.Host)
			return
		}
		fmt.Fprint(w, `{"hosts":[]}`)
	}))
	start(s)
	t.Cleanup(s.Close)
	return s, token
}

// clean is an environment in which nothing is said.
func clean(t *testing.T) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "CAPSULET_") || strings.HasPrefix(name, "OS_") {
			t.Setenv(name, "")
		}
	}
}

// TestPrecedence: a flag, then CAPSULET_*, then OS_*.
func TestPrecedence(t *testing.T) {
	s, token := api(t, (*httptest.Server).Start)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keystone := "OS_AUTH_URL=" + s.URL + "/v3 OS_USERNAME=u OS_PASSWORD=p OS_PROJECT_NAME=p "
	for _, row := range []struct{ flags, env, want string }{
		{"--endpoint URL --token-file FILE", "CAPSULET_TOKEN=of-env CAPSULET_ENDPOINT=http://127.0.0.1:1", "of-file"},
		{"--url URL --token-file FILE", "", "of-file"},
		{"", "CAPSULET_ENDPOINT=URL CAPSULET_URL=http://127.0.0.1:1 CAPSULET_TOKEN=of-env", "of-env"},
		{"", "CAPSULET_URL=URL CAPSULET_TOKEN_FILE=FILE", "of-file"},
		{"", "CAPSULET_URL=URL CAPSULET_TOKEN=of-env OS_TOKEN=of-openstack " + keystone, "of-env"},
		{"", "OS_ENDPOINT=URL/v1 OS_TOKEN=of-openstack OS_AUTH_TYPE=admin_token", "of-openstack"},
		{"", keystone, "of-keystone"},
		{"--endpoint URL", strings.ReplaceAll(keystone, "project", "p"), "of-keystone"},
		{"--endpoint URL", "OS_TOKEN=of-openstack", "of-openstack"},
	} {
		t.Run(row.flags+" "+row.env, func(t *testing.T) {
			clean(t)
			fill := strings.NewReplacer("URL=URL", "URL="+s.URL, "ENDPOINT=URL", "ENDPOINT="+s.URL, " URL", " "+s.URL, "FILE=FILE", "FILE="+file, " FILE", " "+file)
			for _, v := range strings.Fields(fill.Replace(row.env)) {
				name, value, _ := strings.Cut(v, "=")
				t.Setenv(name, value)
			}
			var o Options
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.Bind(fs)
			if err := fs.Parse(strings.Fields(fill.Replace(row.flags))); err != nil {
				t.Fatal(err)
			}
			c, err := o.Client(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			*token = "nobody"
			if _, err := c.Hosts(t.Context()); err != nil || *token != row.want {
				t.Errorf("asked as %q, %v, want %q", *token, err, row.want)
			}
		})
	}
}

// TestSocket: behind a unix socket nobody needs a token.
func TestSocket(t *testing.T) {
	clean(t)
	path := filepath.Join(t.TempDir(), "s")
	_, token := api(t, func(s *httptest.Server) {
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s.Listener = ln
		s.Start()
	})
	o := Options{Endpoint: "unix://" + path}
	c, err := o.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	*token = "nobody"
	if _, err := c.Hosts(t.Context()); err != nil || *token == "nobody" {
		t.Errorf("%q, %v", *token, err)
	}
}

// TestTLS: the API's certificate is checked, by what --ca-file names, unless somebody wants it otherwise.
func TestTLS(t *testing.T) {
	clean(t)
	t.Setenv("CAPSULET_TOKEN", "t")
	s, _ := api(t, (*httptest.Server).StartTLS)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pemOf(s), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		options Options
		good    bool
	}{{Options{}, false}, {Options{CAFile: file}, true}, {Options{Insecure: true}, true}} {
		row.options.Endpoint = s.URL
		c, err := row.options.Client(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Hosts(t.Context()); (err == nil) != row.good || err != nil && !strings.Contains(err.Error(), "x509") {
			t.Errorf("%+v: %v", row.options, err)
		}
	}
}

func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
