package pods

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

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
	disksLimit  = 2 * time.Minute
)

// scrape asks the node for figures as Prometheus and the metrics server do.
func (b Bench) scrape(ctx context.Context, c *cluster, what string, r *report.Report) error {
	client, err := c.kubeletClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := c.measureDisks(ctx, client, what, r); err != nil {
		return err
	}
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
			took, body, err := c.get(ctx, client, path)
			if err != nil {
				return err
			}
			if len(body) < 1000*b.IdlePods/10 {
				return fmt.Errorf("%s has %d bytes, which cannot be of %d pods", path, len(body), b.IdlePods)
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

// measureDisks has capsulet look at the disks, which it does once a minute while somebody asks for figures, so that none of what
// follows within that minute pays for it.
func (c *cluster) measureDisks(ctx context.Context, client *http.Client, what string, r *report.Report) error {
	before, err := c.times()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(disksLimit)
	for {
		_, body, err := c.get(ctx, client, "/stats/summary")
		if err != nil {
			return err
		}
		var s stats.Summary
		if err := json.Unmarshal(body, &s); err != nil {
			return fmt.Errorf("read /stats/summary: %w", err)
		}
		unknown := slices.IndexFunc(s.Pods, func(p stats.PodStats) bool { return p.EphemeralStorage == nil })
		if len(s.Pods) > 0 && unknown < 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no figures of the disk of every pod after %v", disksLimit)
		}
		round.Pause(ctx, time.Second)
	}
	after, err := c.times()
	if err != nil {
		return err
	}
	r.Gauges = append(r.Gauges, report.Gauge{Unit: "ms", Value: report.Milliseconds(after[0] - before[0]),
		Name: fmt.Sprintf("first scrapes of %s until their disks are measured, which is once a minute: processor time of capsulet", what)})
	return nil
}

// get asks the kubelet endpoint.
func (c *cluster) get(ctx context.Context, client *http.Client, path string) (took time.Duration, body []byte, err error) {
	url := "https://127.0.0.1:" + strconv.Itoa(c.server.KubeletPort) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	began := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, res.Status, body)
	}
	return time.Since(began), body, err
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
