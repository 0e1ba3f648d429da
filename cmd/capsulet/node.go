package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/capsulet/capsulet/cmd/capsulet/connection"
	"github.com/capsulet/capsulet/config"
	"github.com/capsulet/capsulet/provider"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

func newRun() *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "Run the virtual node and the capsule server in one process", Args: cobra.NoArgs,
		Long: "Register a node with Kubernetes and run its pods as capsules on the configured Docker hosts.\n" +
			"Stopping it leaves every container running; the next start takes them over.",
	}
	flags := config.Bind(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, log, err := load(cmd, flags)
		if err != nil {
			return err
		}
		kube, err := cluster(cfg)
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
		g.Go(func() error {
			client, err := zun.New(zun.Config{Endpoint: zunserver.LocalEndpoint, Token: s.LocalToken(), Transport: s.Transport()})
			if err != nil {
				return err
			}
			return runNode(ctx, cfg, kube, client, log)
		})
		return errors.Join(g.Wait(), s.Close())
	}
	return c
}

func newNode() *cobra.Command {
	c := &cobra.Command{
		Use: "node", Short: "Run the virtual node against a capsule API elsewhere", Args: cobra.NoArgs,
	}
	var conn connection.Options
	conn.Bind(c.Flags())
	flags := config.Bind(c.Flags())
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, log, err := load(cmd, flags)
		if err != nil {
			return err
		}
		kube, err := cluster(cfg)
		if err != nil {
			return err
		}
		client, err := conn.Client(cmd.Context())
		if err != nil {
			return err
		}
		return runNode(cmd.Context(), cfg, kube, client, log)
	}
	return c
}

// cluster makes the client of the Kubernetes cluster.
func cluster(cfg *config.Config) (kubernetes.Interface, error) {
	var rc *rest.Config
	var err error
	if cfg.Node.Kubeconfig != "" {
		rc, err = clientcmd.BuildConfigFromFlags("", cfg.Node.Kubeconfig)
	} else {
		rc, err = rest.InClusterConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("reading how to reach Kubernetes (node.kubeconfig or --kubeconfig; empty means inside a cluster): %w", err)
	}
	rc.QPS, rc.Burst = 50, 100 // the kubelet's
	rc.UserAgent = "capsulet/" + version
	client, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("making the Kubernetes client: %w", err)
	}
	return client, nil
}

// runNode is the virtual node until ctx ends.
func runNode(ctx context.Context, cfg *config.Config, kube kubernetes.Interface, capsules provider.Capsules,
	log *logrus.Entry,
) error {
	n := cfg.Node
	reserved := corev1.ResourceList{}
	for name, text := range map[corev1.ResourceName]string{
		corev1.ResourceCPU: n.Reserved.CPU, corev1.ResourceMemory: n.Reserved.Memory,
	} {
		if text == "" {
			continue
		}
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return fmt.Errorf("node.reserved.%s: %w", name, err)
		}
		reserved[name] = q
	}
	address := n.Address
	if address == "" {
		address = outboundAddress("")
	}
	p, err := provider.New(provider.Config{
		Client: kube, Capsules: capsules, NodeName: n.Name, Address: address,
		Listen:      net.JoinHostPort(n.KubeletListen, strconv.Itoa(n.KubeletPort)),
		KubeletPort: int32(n.KubeletPort), Labels: n.Labels, Taint: taint(n.Taint), NoTaint: n.NoTaint || n.Taint == "",
		MaxPods: int64(n.MaxPods), Reserved: reserved, ServingCertFile: n.ServingCertFile, ServingKeyFile: n.ServingKeyFile,
		ClientCAFile: n.ClientCAFile, HostDNS: hostDNS("/etc/resolv.conf"), Log: log,
	})
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// taint parses key[=value]:effect, which the configuration has validated.
func taint(s string) *corev1.Taint {
	head, effect, ok := strings.Cut(s, ":")
	if !ok {
		return nil
	}
	key, value, _ := strings.Cut(head, "=")
	return &corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
}

// hostDNS reads what this machine asks for names; nil leaves the choice to the engine.
func hostDNS(path string) *capsule.DNS {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var dns capsule.DNS
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			dns.Nameservers = append(dns.Nameservers, words[1])
		case "search":
			dns.Searches = words[1:]
		case "options":
			dns.Options = words[1:]
		}
	}
	if len(dns.Nameservers) == 0 {
		return nil
	}
	return &dns
}
