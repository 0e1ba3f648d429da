package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/capsulet/capsulet/config"
	"github.com/capsulet/capsulet/translate/manifest"
	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule/template/forms"
	"github.com/capsulet/capsulet/zunserver/notify"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/store"
	"github.com/capsulet/capsulet/zunserver/store/seal"
)

func newServe() *cobra.Command {
	c := &cobra.Command{
		Use: "serve", Short: "Run the capsule server without Kubernetes", Args: cobra.NoArgs,
		Long: "Run the capsule server: the Zun-compatible REST API and the capsules on the configured Docker hosts.\n" +
			"Stopping it leaves every container running; the next start takes them over.",
	}
	flags := config.Bind(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, log, err := load(cmd, flags)
		if err != nil {
			return err
		}
		s, err := newServer(cmd.Context(), cfg, log)
		if err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(cmd.Context())
		g.Go(func() error { return s.Run(ctx) })
		g.Go(func() error { return listen(ctx, cfg, s.Handler(), log) })
		return errors.Join(g.Wait(), s.Close())
	}
	return c
}

// load reads the configuration of a command and makes its logger.
func load(cmd *cobra.Command, flags *config.Flags) (*config.Config, *logrus.Entry, error) {
	cfg, err := flags.Load(os.Environ())
	if err != nil {
		return nil, nil, err
	}
	l := logrus.New()
	l.SetOutput(cmd.ErrOrStderr())
	level, err := logrus.ParseLevel(cfg.Log.Level)
	if err != nil {
		return nil, nil, fmt.Errorf("log.level: %w", err)
	}
	l.SetLevel(level)
	if cfg.Log.Format == "json" {
		l.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	}
	log := logrus.NewEntry(l)
	// What libraries of Kubernetes have to say, such as that nothing listens on a forwarded port, has been told to who asked.
	library := log.WithField("part", "k8s")
	klog.SetLogger(funcr.New(func(_, message string) { library.Debug(message) }, funcr.Options{}))
	return cfg, log, nil
}

// newServer makes the capsule server that the configuration describes.
func newServer(ctx context.Context, cfg *config.Config, log *logrus.Entry) (*zunserver.Server, error) {
	zunserver.SaveMemory()
	for _, dir := range []string{cfg.StateDir, cfg.RunDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the directory of the server: %w", err)
		}
	}
	key, err := seal.LoadOrCreateKey(cfg.Store.SealKeyFile)
	if err != nil {
		return nil, err
	}
	known, err := callers(cfg, log)
	if err != nil {
		return nil, err
	}
	policy, err := policy(cfg, log)
	if err != nil {
		return nil, err
	}
	password := ""
	if cfg.Store.PasswordFile != "" {
		b, err := os.ReadFile(cfg.Store.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("store.passwordFile: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n ")
	}
	idle, err := time.ParseDuration(cfg.API.StreamIdleTimeout)
	if err != nil {
		return nil, fmt.Errorf("api.streamIdleTimeout: %w", err)
	}
	targets, err := notificationTargets(cfg)
	if err != nil {
		return nil, err
	}
	return zunserver.New(ctx, zunserver.Config{
		Instance: cfg.Instance, StateDir: cfg.StateDir, RunDir: cfg.RunDir, SeccompDir: cfg.SeccompDir,
		Auth: known, Policy: policy, KeystoneURI: keystoneURI(cfg),
		Store: store.Config{
			Endpoints: cfg.Store.Endpoints, DataDir: cfg.EtcdDir(), CertFile: cfg.Store.CertFile, KeyFile: cfg.Store.KeyFile,
			CAFile: cfg.Store.CAFile, Username: cfg.Store.Username, Password: password, Prefix: cfg.Store.Prefix,
			SealKey: key, Log: log.WithField("part", "store"),
		},
		Hosts: hosts(cfg), MaxBodyBytes: cfg.API.MaxBodyBytes, StreamIdleTimeout: idle, Log: log,
		WebsocketURL: cfg.API.WebsocketURL, WebsocketOrigins: cfg.API.WebsocketOrigins, Notifications: targets,
		Quotas: &view.Quotas{
			Containers: cfg.Quota.Containers, Memory: cfg.Quota.MemoryMiB, CPU: cfg.Quota.CPU, Disk: cfg.Quota.DiskGiB,
		},
		EngineNetworks: cfg.Networks.Engine,
		Templates:      forms.Options{Sized: cfg.Volumes.Sized}, FromPod: manifest.Capsule,
		Open: func(ctx context.Context, h zunserver.HostConfig) (runtime.Host, error) {
			d := docker.Config{
				Endpoint: h.Endpoint, Instance: cfg.Instance, SandboxImage: cfg.SandboxImage, Near: &h.Near,
				Log: log.WithField("host", h.Name),
			}
			if h.CAFile != "" || h.CertFile != "" {
				d.TLS = &docker.TLS{CAFile: h.CAFile, CertFile: h.CertFile, KeyFile: h.KeyFile}
			}
			return docker.Open(ctx, d)
		},
	})
}

// notificationTargets reads the secrets of who is told of events.
func notificationTargets(cfg *config.Config) (list []notify.Target, err error) {
	for i, n := range cfg.Notifications {
		t := notify.Target{URL: n.URL, Events: n.Events}
		if n.SecretFile != "" {
			if t.Secret, err = os.ReadFile(n.SecretFile); err != nil {
				return nil, fmt.Errorf("notifications[%d].secretFile: %w", i, err)
			}
			if t.Secret = bytes.TrimRight(t.Secret, "\r\n "); len(t.Secret) == 0 {
				return nil, fmt.Errorf("notifications[%d].secretFile: %s is empty", i, n.SecretFile)
			}
		}
		list = append(list, t)
	}
	return list, nil
}

// hosts names every host and finds the addresses that the configuration leaves out.
func hosts(cfg *config.Config) []zunserver.HostConfig {
	var hs []zunserver.HostConfig
	for _, h := range cfg.Hosts {
		near := strings.HasPrefix(h.Endpoint, "unix://")
		name, address := h.Name, h.Address
		if name == "" {
			name = hostName(h.Endpoint)
		}
		if address == "" && near {
			address = cfg.Node.Address
		}
		if address == "" {
			address = outboundAddress(h.Endpoint)
		}
		hs = append(hs, zunserver.HostConfig{
			Name: name, Endpoint: h.Endpoint, Address: address, PublicAddress: h.PublicAddress, Labels: h.Labels, AvailabilityZone: h.AvailabilityZone,
			CAFile: h.TLS.CA, CertFile: h.TLS.Cert, KeyFile: h.TLS.Key, Near: near,
		})
	}
	return hs
}

// hostName is this machine's for a socket on it, else the one in the URL: it must not depend on the engine being up.
func hostName(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// outboundAddress is the address of a remote engine, or the one this machine would use to reach others; no packet is
// sent.
func outboundAddress(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Hostname() != "" {
		if ips, err := net.LookupIP(u.Hostname()); err == nil && len(ips) > 0 {
			return ips[0].String()
		}
	}
	conn, err := net.Dial("udp", "192.0.2.254:9")
	if err != nil {
		return "127.0.0.1"
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}

func newConfig() *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Print a commented sample of the configuration file", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.Sample())
			return err
		},
	}
}
