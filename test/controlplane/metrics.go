package controlplane

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/capsulet/capsulet/test/controlplane/progress"
)

// MetricsServer is a process that makes the API metrics.k8s.io of what the kubelets of the cluster tell it: what kubectl top
// shows and a HorizontalPodAutoscaler looks at. It dies with this process.
type MetricsServer struct {
	c    *ControlPlane
	path string
	pid  int
}

const metricsTimeout = time.Minute

// metricsRoles is whose account the server has and what that may do: as in its own manifests, and no more.
//
//go:embed metrics-roles.yaml
var metricsRoles string

// metricsService makes its API part of the cluster's. The API server goes by the name of the service and not by its endpoints,
// which may not be on loopback.
//
//go:embed metrics-service.yaml
var metricsService string

// StartMetricsServer builds the metrics server if need be, starts it and makes its API part of the cluster's. It returns when
// that API answers, which is before there are figures.
func (c *ControlPlane) StartMetricsServer(ctx context.Context, p *progress.Printer) (_ *MetricsServer, err error) {
	programs, err := buildSet(ctx, p, metrics)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, metricsTimeout, fmt.Errorf("not there after %s", metricsTimeout))
	defer cancel()
	if _, err := c.kubectl(ctx, metricsRoles, "apply", "-f", "-"); err != nil {
		return nil, err
	}
	token, err := c.kubectl(ctx, "", "create", "token", "metrics-server", "-n", "kube-system", "--duration=24h")
	if err != nil {
		return nil, err
	}
	if err := c.writeConfig("metrics-server", object{"token": strings.TrimSpace(token)}); err != nil {
		return nil, fmt.Errorf("write the kubeconfig of the metrics server: %w", err)
	}
	var port int
	if err := pickPort(&port, map[int]bool{}); err != nil {
		return nil, err
	}
	m := &MetricsServer{c: c, path: programs.Path("metrics-server")}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%w; the end of its log:\n%s", err, logTail(c.path("metrics-server.log"))), m.Stop(context.WithoutCancel(ctx)))
		}
	}()
	if m.pid, err = spawn(m.path, c.metricsArgs(port), c.path("metrics-server.log"), false); err != nil {
		return nil, err
	}
	// Before its API is asked for: an API group that is announced and does not answer holds up the end of every namespace.
	if err := m.await(ctx, func() error { return alive(ctx, port) }); err != nil {
		return nil, fmt.Errorf("wait for the metrics server: %w", err)
	}
	if _, err := c.kubectl(ctx, strings.ReplaceAll(metricsService, "PORT", strconv.Itoa(port)), "apply", "-f", "-"); err != nil {
		return nil, err
	}
	if err := m.await(ctx, func() error { return c.get(ctx, "/apis/metrics.k8s.io/v1beta1") }); err != nil {
		return nil, fmt.Errorf("wait for the API of the metrics server: %w", err)
	}
	return m, nil
}

func (c *ControlPlane) metricsArgs(port int) []string {
	kubeconfig := c.path("metrics-server.kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port), "--cert-dir=" + c.path("metrics-server"),
		"--kubelet-use-node-status-port", "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-insecure-tls",                                  // nodes of tests sign their own certificates
		"--metric-resolution=10s", "--kubelet-request-timeout=5s", // no shorter one is allowed
	}
}

// await repeats look while the process lives.
func (m *MetricsServer) await(ctx context.Context, look func() error) error {
	for {
		err := look()
		switch {
		case err == nil:
			return nil
		case !ours(m.pid, m.path, m.c.Dir):
			return errors.New("it ended")
		}
		if perr := pause(ctx); perr != nil {
			return fmt.Errorf("%w (last answer: %w)", perr, err)
		}
	}
}

// alive asks the metrics server itself.
func alive(ctx context.Context, port int) error {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // on loopback, of a process just started
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, loopback("https", port)+"/livez", nil)
	if err != nil {
		return err
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /livez: %s", res.Status)
	}
	return nil
}

// Stop takes the API away and ends the process.
func (m *MetricsServer) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*stopGrace)
	defer cancel()
	_, err := m.c.kubectl(ctx, metricsService, "delete", "--ignore-not-found", "-f", "-")
	return errors.Join(err, end(ctx, m.pid, m.path, m.c.Dir, stopGrace))
}

// kubectl runs kubectl as the administrator.
func (c *ControlPlane) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, c.Kubectl, append([]string{"--kubeconfig", c.Kubeconfig}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
