package pods

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/capsulet/capsulet/test/bench/proc"
	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
)

const (
	scrapes = 20
	// scrapeBar is how long the figures of 100 pods may take on a host whose files are read, and the processor time, too,
	// which tells more on a machine that others use.
	scrapeBar = 50 * time.Millisecond
	// apart: statistics are kept for half a second, and what is measured is the reading of them.
	apart       = 600 * time.Millisecond
	enginePID   = "/var/run/docker.pid"
	scrapeLimit = 10 * time.Second
)

// scrape asks the node for figures as Prometheus and the metrics server do.
func (b Bench) scrape(ctx context.Context, c *cluster, what string, r *report.Report) error {
	client, err := c.kubeletClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	quiet := time.Now()
	before, err := c.times()
	if err != nil {
		return err
	}
	round.Pause(ctx, scrapes*apart)
	after, err := c.times()
	if err != nil {
		return err
	}
	idle, lasted := [2]time.Duration{after[0] - before[0], after[1] - before[1]}, time.Since(quiet)
	for _, path := range []string{"/metrics/cadvisor", "/metrics/resource", "/stats/summary"} {
		figure := report.Figure{Name: fmt.Sprintf("scrape of %s, %s", path, what), Most: scrapeBar}
		before, err := c.times()
		if err != nil {
			return err
		}
		began := time.Now()
		for range scrapes {
			round.Pause(ctx, apart)
			took, size, err := get(ctx, client, "https://127.0.0.1:"+strconv.Itoa(c.server.KubeletPort)+path)
			if err != nil {
				return err
			}
			if size < 1000*b.IdlePods/10 {
				return fmt.Errorf("%s has %d bytes, which cannot be of %d pods", path, size, b.IdlePods)
			}
			figure.Ours = append(figure.Ours, took)
		}
		after, err := c.times()
		if err != nil {
			return err
		}
		r.Figures = append(r.Figures, figure)
		for i, who := range []string{"capsulet", "the engine, which is not asked"} {
			cost := float64(after[i]-before[i]) - float64(idle[i])*float64(time.Since(began))/float64(lasted)
			gauge := report.Gauge{Name: figure.Name + ": processor time of " + who + ", beyond its idle one", Unit: "ms",
				Value: max(0, report.Milliseconds(time.Duration(cost/scrapes)))}
			if i == 0 {
				gauge.Bar = report.Milliseconds(scrapeBar)
			}
			r.Gauges = append(r.Gauges, gauge)
		}
	}
	return nil
}

// kubeletClient asks the kubelet endpoint as the administrator, who has a certificate.
func (c *cluster) kubeletClient() (*http.Client, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", c.plane.Kubeconfig)
	if err != nil {
		return nil, err
	}
	own, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, err
	}
	trusting := &tls.Config{InsecureSkipVerify: true, GetClientCertificate: own.GetClientCertificate, Certificates: own.Certificates} //nolint:gosec // the node signs its own
	return &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}, Timeout: scrapeLimit}, nil
}

func get(ctx context.Context, client *http.Client, url string) (took time.Duration, size int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, res.Status, body)
	}
	return time.Since(began), len(body), err
}

// times are the processor times of capsulet and of the engine's daemon so far.
func (c *cluster) times() (t [2]time.Duration, err error) {
	b, err := os.ReadFile(enginePID)
	if err != nil {
		return t, fmt.Errorf("find the engine's process: %w", err)
	}
	engine, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return t, fmt.Errorf("%s: %w", enginePID, err)
	}
	for i, pid := range []int{c.server.PID(), engine} {
		if t[i], err = proc.CPU(pid); err != nil {
			return t, err
		}
	}
	return t, nil
}
