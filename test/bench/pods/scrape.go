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

	"github.com/capsulet/capsulet/test/bench/report"
	"github.com/capsulet/capsulet/test/bench/round"
)

const (
	scrapes = 20
	// scrapeBar is how long the figures of 100 pods may take on a host whose files are read.
	scrapeBar = 50 * time.Millisecond
	// apart: statistics are kept for half a second, and what is measured is the reading of them.
	apart = 600 * time.Millisecond
	// engineBar is the processor time that a scrape may cost the engine: no more than can be told from nothing, in units of
	// /proc spread over the scrapes.
	engineBar   = 5 // ms
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
	engine, err := engineTime()
	if err != nil {
		return err
	}
	quiet := time.Now()
	round.Pause(ctx, scrapes*apart)
	after, err := engineTime()
	if err != nil {
		return err
	}
	idle := float64(after-engine) / float64(time.Since(quiet))
	for _, path := range []string{"/metrics/cadvisor", "/metrics/resource", "/stats/summary"} {
		figure := report.Figure{Name: fmt.Sprintf("scrape of %s, %s", path, what), Most: scrapeBar}
		before, err := engineTime()
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
		after, err := engineTime()
		if err != nil {
			return err
		}
		r.Figures = append(r.Figures, figure)
		cost := float64(after-before) - idle*float64(time.Since(began))
		r.Gauges = append(r.Gauges, report.Gauge{Name: figure.Name + ": processor time of the engine beyond its idle one", Unit: "ms",
			Value: max(0, cost/scrapes/float64(time.Millisecond)), Bar: engineBar})
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

// engineTime is the processor time of the engine's daemon so far.
func engineTime() (time.Duration, error) {
	b, err := os.ReadFile(enginePID)
	if err != nil {
		return 0, fmt.Errorf("find the engine's process: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", enginePID, err)
	}
	return cpuTime(pid)
}
