package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// wants compares an error with a part of its text; empty is success.
func wants(t *testing.T, err error, text string) {
	t.Helper()
	switch {
	case text == "" && err != nil:
		t.Errorf("failed: %v", err)
	case text != "" && (err == nil || !strings.Contains(err.Error(), text)):
		t.Errorf("answered %v, want an error with %q", err, text)
	}
}

// targetOf is a run whose container listens where u says, under the port name "web".
func targetOf(t *testing.T, u string) (Target, intstr.IntOrString) {
	t.Helper()
	parsed, err := url.Parse(u)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(parsed.Port())
	if err != nil {
		t.Fatal(err)
	}
	return Target{
		Capsule: "c", Container: "app", ID: "1", Address: parsed.Hostname(),
		Spec: &capsule.ContainerSpec{Ports: []capsule.Port{{Name: "web", ContainerPort: int32(port)}}},
	}, intstr.FromInt32(int32(port))
}

func webServer() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/bad", http.StatusFound) })
	mux.HandleFunc("/there", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1:9/bad", http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 4*maxOutput)) })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		if want := r.URL.Query().Get("host"); want != "" && r.Host != want {
			http.Error(w, "asked for "+r.Host, http.StatusTeapot)
		}
		if want := r.URL.Query().Get("agent"); want != "" && strings.Join(r.Header["User-Agent"], "|") != want {
			http.Error(w, "agent "+strings.Join(r.Header["User-Agent"], "|"), http.StatusTeapot)
		}
		if want := r.URL.Query().Get("accept"); want != "" && strings.Join(r.Header["Accept"], "|") != want {
			http.Error(w, "accept "+strings.Join(r.Header["Accept"], "|"), http.StatusTeapot)
		}
		if want := r.URL.Query().Get("x"); want != "" && strings.Join(r.Header["X-Two"], "|") != want {
			http.Error(w, "x "+strings.Join(r.Header["X-Two"], "|"), http.StatusTeapot)
		}
	})
	return mux
}

func header(name, value string) corev1.HTTPHeader { return corev1.HTTPHeader{Name: name, Value: value} }

func TestHTTP(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		edit   func(*corev1.HTTPGetAction)
		tls    bool
		failed string
	}{
		{name: "a good answer", edit: func(*corev1.HTTPGetAction) {}},
		{name: "a bad answer is shown", edit: func(a *corev1.HTTPGetAction) { a.Path = "/bad" },
			failed: "HTTP probe failed with statuscode: 503: out of order"},
		{name: "no such page", edit: func(a *corev1.HTTPGetAction) { a.Path = "/nothing" },
			failed: "statuscode: 404"},
		{name: "a path without a slash", edit: func(a *corev1.HTTPGetAction) { a.Path = "ok" }},
		{name: "a redirect to the same host is followed", edit: func(a *corev1.HTTPGetAction) { a.Path = "/here" },
			failed: "503"},
		{name: "a redirect to another host is an answer", edit: func(a *corev1.HTTPGetAction) { a.Path = "/there" }},
		{name: "a redirect without an end is a failure", edit: func(a *corev1.HTTPGetAction) { a.Path = "/round" },
			failed: "redirects"},
		{name: "a long answer", edit: func(a *corev1.HTTPGetAction) { a.Path = "/large" }},
		{name: "it takes too long", edit: func(a *corev1.HTTPGetAction) { a.Path = "/slow" },
			failed: "deadline exceeded"},
		{name: "the port's name", edit: func(a *corev1.HTTPGetAction) { a.Port = intstr.FromString("web") }},
		{name: "an unknown name", edit: func(a *corev1.HTTPGetAction) { a.Port = intstr.FromString("nope") },
			failed: `no port named "nope"`},
		{name: "the port as text", edit: func(a *corev1.HTTPGetAction) { a.Port = intstr.FromString(a.Port.String()) }},
		{name: "another host", edit: func(a *corev1.HTTPGetAction) { a.Host = "127.0.0.1" }},
		{name: "nobody listens", edit: func(a *corev1.HTTPGetAction) { a.Port = intstr.FromInt32(1) },
			failed: "refused"},
		{name: "the Host header", edit: func(a *corev1.HTTPGetAction) {
			a.Path, a.HTTPHeaders = "/echo?host=shop.example", []corev1.HTTPHeader{header("host", "shop.example")}
		}},
		{name: "headers are added", edit: func(a *corev1.HTTPGetAction) {
			a.Path, a.HTTPHeaders = "/echo?x=1|2", []corev1.HTTPHeader{header("X-Two", "1"), header("x-two", "2")}
		}},
		{name: "the agent says who it is", edit: func(a *corev1.HTTPGetAction) {
			a.Path = "/echo?agent=kube-probe/capsulet&accept=*/*"
		}},
		{name: "headers of the spec replace our own", edit: func(a *corev1.HTTPGetAction) {
			a.Path = "/echo?agent=curl&accept=text/plain"
			a.HTTPHeaders = []corev1.HTTPHeader{header("User-Agent", "curl"), header("Accept", "text/plain")}
		}},
		{name: "HTTPS without verification", tls: true, edit: func(a *corev1.HTTPGetAction) { a.Scheme = corev1.URISchemeHTTPS }},
		{name: "HTTP to HTTPS", tls: true, edit: func(*corev1.HTTPGetAction) {}, failed: "400"},
		{name: "HTTPS to HTTP", edit: func(a *corev1.HTTPGetAction) { a.Scheme = corev1.URISchemeHTTPS },
			failed: "HTTP response to HTTPS client"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(webServer())
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			if row.tls {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			defer srv.Close()
			target, port := targetOf(t, srv.URL)
			a := &corev1.HTTPGetAction{Path: "/ok", Port: port, Scheme: corev1.URISchemeHTTP}
			row.edit(a)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			wants(t, New(Config{}).check(ctx, target, corev1.ProbeHandler{HTTPGet: a}), row.failed)
		})
	}
}

func TestTCP(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(webServer())
	defer srv.Close()
	target, port := targetOf(t, srv.URL)
	for _, row := range []struct {
		name   string
		action corev1.TCPSocketAction
		failed string
	}{
		{"somebody listens", corev1.TCPSocketAction{Port: port}, ""},
		{"by name", corev1.TCPSocketAction{Port: intstr.FromString("web")}, ""},
		{"at another host", corev1.TCPSocketAction{Port: port, Host: "localhost"}, ""},
		{"nobody listens", corev1.TCPSocketAction{Port: intstr.FromInt32(1)}, "refused"},
		{"an unknown name", corev1.TCPSocketAction{Port: intstr.FromString("x")}, `no port named "x"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			wants(t, New(Config{}).check(ctx, target, corev1.ProbeHandler{TCPSocket: &row.action}), row.failed)
		})
	}
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	listen := func(register func(*grpc.Server)) int32 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := grpc.NewServer()
		register(srv)
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(srv.Stop)
		return int32(l.Addr().(*net.TCPAddr).Port)
	}
	checks := health.NewServer()
	checks.SetServingStatus("down", healthpb.HealthCheckResponse_NOT_SERVING)
	good := listen(func(s *grpc.Server) { healthpb.RegisterHealthServer(s, checks) })
	without := listen(func(*grpc.Server) {})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	name := func(s string) *string { return &s }
	for _, row := range []struct {
		name    string
		port    int32
		service *string
		failed  string
	}{
		{"the server as a whole", good, nil, ""},
		{"by an empty name", good, name(""), ""},
		{"a service that is down", good, name("down"), `service "down" is NOT_SERVING`},
		{"a service that nobody knows", good, name("what"), "unknown service"},
		{"no health protocol", without, nil, "does not implement the gRPC health protocol"},
		{"nobody listens", 1, nil, "refused"},
		{"no answer", int32(silent.Addr().(*net.TCPAddr).Port), nil, "DeadlineExceeded"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			h := corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: row.port, Service: row.service}}
			wants(t, New(Config{}).check(ctx, Target{Address: "127.0.0.1"}, h), row.failed)
		})
	}
}

func TestExec(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		run    ExecFunc
		failed string
	}{
		{"exit code 0", func(context.Context, string, []string, io.Writer) (int, error) { return 0, nil }, ""},
		{"the ID and the command arrive", func(_ context.Context, id string, cmd []string, _ io.Writer) (int, error) {
			if id != "1" || fmt.Sprint(cmd) != "[test -f /ok]" {
				return 0, fmt.Errorf("%s %v", id, cmd)
			}
			return 0, nil
		}, ""},
		{"another exit code, with the output", func(_ context.Context, _ string, _ []string, out io.Writer) (int, error) {
			_, _ = io.WriteString(out, "not yet\n")
			return 3, nil
		}, "command exited with code 3: not yet"},
		{"the container is gone", func(context.Context, string, []string, io.Writer) (int, error) {
			return 0, errors.New("no such container")
		}, "no such container"},
		{"it takes too long", func(ctx context.Context, _ string, _ []string, _ io.Writer) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, `command ["test" "-f" "/ok"] timed out`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			s := New(Config{Exec: row.run})
			h := corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"test", "-f", "/ok"}}}
			wants(t, s.check(ctx, Target{ID: "1"}, h), row.failed)
		})
	}
}

func TestExecOutputIsLimited(t *testing.T) {
	t.Parallel()
	var out limited
	for range 3 {
		if n, err := out.Write(bytes.Repeat([]byte("x"), maxOutput-1)); n != maxOutput-1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if out.Len() != maxOutput {
		t.Errorf("kept %d bytes, want %d", out.Len(), maxOutput)
	}
}

func TestNoHandler(t *testing.T) {
	t.Parallel()
	wants(t, New(Config{}).check(t.Context(), Target{}, corev1.ProbeHandler{}), "without a handler")
}

// Every kind of probe over the network goes the way that the host's driver has, which may be another machine's.
func TestProbesAreDialledForTheirTarget(t *testing.T) {
	web := httptest.NewServer(webServer())
	defer web.Close()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	healthpb.RegisterHealthServer(srv, health.NewServer())
	go func() { _ = srv.Serve(l) }()
	defer srv.Stop()
	var asked []string
	elsewhere := map[string]string{"10.9.8.7:80": strings.TrimPrefix(web.URL, "http://"), "10.9.8.7:81": l.Addr().String()}
	s := New(Config{Dial: func(ctx context.Context, to Target, address string) (net.Conn, error) {
		asked = append(asked, to.Sandbox+" "+address)
		return (&net.Dialer{}).DialContext(ctx, "tcp", elsewhere[address])
	}})
	to := Target{Sandbox: "s", Address: "10.9.8.7", Spec: &capsule.ContainerSpec{}}
	for _, h := range []corev1.ProbeHandler{
		{HTTPGet: &corev1.HTTPGetAction{Path: "/ok", Port: intstr.FromInt32(80)}},
		{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(80)}},
		{GRPC: &corev1.GRPCAction{Port: 81}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		wants(t, s.check(ctx, to, h), "")
		cancel()
	}
	if got := strings.Join(asked, ", "); got != "s 10.9.8.7:80, s 10.9.8.7:80, s 10.9.8.7:81" {
		t.Errorf("dialled: %s", got)
	}
}
