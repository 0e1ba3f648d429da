package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/capsulet/capsulet/provider/zun"
)

// connection is how a client command reaches the capsule API.
type connection struct {
	url, token, caFile string
}

func (c *connection) bind(fs *pflag.FlagSet) {
	fs.StringVar(&c.url, "url", env("CAPSULET_URL", "http://127.0.0.1:9517"), "URL of the capsule API (CAPSULET_URL)")
	fs.StringVar(&c.token, "token-file", env("CAPSULET_TOKEN_FILE", "/var/lib/capsulet/admin.token"),
		"file with the token; CAPSULET_TOKEN, when set, is the token itself (CAPSULET_TOKEN_FILE)")
	fs.StringVar(&c.caFile, "ca-file", os.Getenv("CAPSULET_CA_FILE"), "certificates that sign the API's (CAPSULET_CA_FILE)")
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// secret is the token.
func (c *connection) secret() (string, error) {
	if token := os.Getenv("CAPSULET_TOKEN"); token != "" {
		return token, nil
	}
	b, err := os.ReadFile(c.token)
	if err != nil {
		return "", fmt.Errorf("reading the token of the capsule API (set CAPSULET_TOKEN or --token-file): %w", err)
	}
	return trim(b), nil
}

func (c *connection) client() (*zun.Client, error) {
	token, err := c.secret()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.caFile != "" {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, fmt.Errorf("reading --ca-file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file %s holds no certificate", c.caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return zun.New(zun.Config{Endpoint: c.url, Token: token, Transport: transport})
}

func trim(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return string(b)
}

// output is the format of what a client command prints.
type output struct{ format string }

func (o *output) bind(fs *pflag.FlagSet) {
	fs.StringVarP(&o.format, "output", "o", "", "json, yaml, name or wide; a table when empty")
}

func (o *output) check() error {
	switch o.format {
	case "", "json", "yaml", "name", "wide":
		return nil
	}
	return fmt.Errorf("-o %s: the formats are json, yaml, name and wide", o.format)
}

// print writes v for programs or, by table, for people.
func (o *output) print(w io.Writer, v any, names []string, table func(w io.Writer, wide bool)) error {
	switch o.format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "yaml":
		b, err := yaml.Marshal(v)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	case "name":
		for _, n := range names {
			fmt.Fprintln(w, n)
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	table(t, o.format == "wide")
	return t.Flush()
}

func newHost() *cobra.Command {
	var conn connection
	var out output
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the container hosts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			client, err := conn.client()
			if err != nil {
				return err
			}
			hosts, err := client.Hosts(cmd.Context())
			if err != nil {
				return err
			}
			names := make([]string, 0, len(hosts))
			for _, h := range hosts {
				names = append(names, h.Name)
			}
			return out.print(cmd.OutOrStdout(), hosts, names, func(w io.Writer, wide bool) {
				fmt.Fprintln(w, "NAME\tSTATUS\tADDRESS\tCPUS\tMEMORY\tENGINE\tREASON")
				for _, h := range hosts {
					status := "Up"
					if !h.Up {
						status = "Down"
					}
					if h.Disabled {
						status += ",Disabled"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d MiB\t%s %s\t%s\n", h.Name, status, h.Address, h.CPUs, h.MemoryBytes>>20,
						h.EngineName, h.EngineVersion, h.Reason)
				}
			})
		},
	}
	conn.bind(list.Flags())
	out.bind(list.Flags())
	host := &cobra.Command{Use: "host", Short: "The container hosts of a capsule server"}
	host.AddCommand(list)
	return host
}
