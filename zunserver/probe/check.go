package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// maxOutput is how much of an answer is read and shown.
const maxOutput = 10 << 10

// ExecFunc runs a command in a container and returns its exit code.
type ExecFunc func(ctx context.Context, id string, command []string, output io.Writer) (int, error)

// DialFunc connects to a TCP address for a target.
type DialFunc func(ctx context.Context, t Target, address string) (net.Conn, error)

// check runs one probe once; nil is success, the error says what failed, for people.
func (s *Set) check(ctx context.Context, t Target, h corev1.ProbeHandler) error {
	switch {
	case h.Exec != nil:
		return s.exec(ctx, t, h.Exec.Command)
	case h.HTTPGet != nil:
		return s.httpGet(ctx, t, h.HTTPGet)
	case h.TCPSocket != nil:
		return s.dial(ctx, t, h.TCPSocket)
	case h.GRPC != nil:
		return s.grpcHealth(ctx, t, h.GRPC)
	default:
		return errors.New("probe without a handler")
	}
}

func (s *Set) exec(ctx context.Context, t Target, command []string) error {
	select {
	case s.execs <- struct{}{}:
		defer func() { <-s.execs }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var out limited
	code, err := s.cfg.Exec(ctx, t.ID, command, &out)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("command %q timed out", command)
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("%s", strings.TrimSpace(fmt.Sprintf("command exited with code %d: %s", code, out.String())))
	}
	return nil
}

func (s *Set) httpGet(ctx context.Context, t Target, a *corev1.HTTPGetAction) error {
	port, err := portOf(a.Port, t.Spec)
	if err != nil {
		return err
	}
	host := a.Host
	if host == "" {
		host = t.Address
	}
	u, err := url.Parse(a.Path)
	if err != nil {
		u = &url.URL{Path: a.Path}
	}
	u.Scheme, u.Host = strings.ToLower(string(a.Scheme)), net.JoinHostPort(host, strconv.Itoa(port))
	if u.Scheme == "" {
		u.Scheme = "http"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	for _, h := range a.HTTPHeaders {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
			continue
		}
		req.Header.Add(h.Name, h.Value)
	}
	for name, value := range map[string]string{"User-Agent": "kube-probe/capsulet", "Accept": "*/*"} {
		if len(req.Header.Values(name)) == 0 {
			req.Header.Set(name, value)
		}
	}
	resp, err := s.http.Do(req.WithContext(context.WithValue(ctx, targetKey{}, t)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput))
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d: %s", resp.StatusCode, bytes.TrimSpace(body))
	}
	return nil
}

// targetKey finds the target of a request when its connection is dialled.
type targetKey struct{}

// newHTTPClient follows redirects on the same host only, as the kubelet does, and keeps no connections: a probe asks
// whether a new client would be served.
func newHTTPClient(dial DialFunc) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				t, _ := ctx.Value(targetKey{}).(Target)
				return dial(ctx, t, address)
			},
			DisableKeepAlives: true, DisableCompression: true, Proxy: nil,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the kubelet does not verify either
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			if len(via) >= 10 {
				return errors.New("stopped after 10 redirects")
			}
			return nil
		},
	}
}

func (s *Set) dial(ctx context.Context, t Target, a *corev1.TCPSocketAction) error {
	port, err := portOf(a.Port, t.Spec)
	if err != nil {
		return err
	}
	host := a.Host
	if host == "" {
		host = t.Address
	}
	conn, err := s.cfg.Dial(ctx, t, net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}

func (s *Set) grpcHealth(ctx context.Context, t Target, a *corev1.GRPCAction) error {
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(t.Address, strconv.Itoa(int(a.Port))),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return s.cfg.Dial(ctx, t, address) }), grpc.WithUserAgent("kube-probe/capsulet"), grpc.WithNoProxy())
	if err != nil {
		return err
	}
	defer conn.Close()
	service := ""
	if a.Service != nil {
		service = *a.Service
	}
	r, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: service})
	switch {
	case status.Code(err) == codes.Unimplemented:
		return errors.New("the server does not implement the gRPC health protocol")
	case err != nil:
		return err
	case r.GetStatus() != healthpb.HealthCheckResponse_SERVING:
		return fmt.Errorf("service %q is %s", service, r.GetStatus())
	}
	return nil
}

// portOf resolves a port by number or by its name in the container's spec.
func portOf(p intstr.IntOrString, cs *capsule.ContainerSpec) (int, error) {
	if p.Type == intstr.Int {
		return p.IntValue(), nil
	}
	for _, cp := range cs.Ports {
		if cp.Name == p.StrVal {
			return int(cp.ContainerPort), nil
		}
	}
	if n, err := strconv.Atoi(p.StrVal); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("the container has no port named %q", p.StrVal)
}

// limited keeps the first maxOutput bytes.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if room := maxOutput - l.Len(); room > 0 {
		l.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}
