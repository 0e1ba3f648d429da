// Package connection is how the client commands find the capsule API and say who asks: by flags, by the CAPSULET_* variables,
// or as a user of an OpenStack cloud by its OS_* variables.
//
// Decisions (2026-11-26): what is said more closely wins: a flag, then CAPSULET_*, then OS_*, then the server on this machine with
// the token that it made for its administrator. Address and identity are looked for apart, so that OS_* may log somebody in
// at an endpoint that is in no catalog.
package connection

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/spf13/pflag"

	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/provider/zun/openstack"
)

// What a server on this machine has when nothing is configured.
const (
	defaultEndpoint  = "http://127.0.0.1:9517"
	defaultTokenFile = "/var/lib/capsulet/admin.token"
)

// Help tells people how the API is found; it is a topic of the help command.
const Help = `Where the capsule API is, and who asks. What comes first wins:

  address    --endpoint
             CAPSULET_ENDPOINT, or CAPSULET_URL
             OS_ENDPOINT, or OS_ENDPOINT_OVERRIDE
             with OS_CLOUD or OS_AUTH_URL: the service catalog of Keystone,
               type container or application-container; OS_REGION_NAME and
               OS_INTERFACE choose among several
             ` + defaultEndpoint + `

  identity   --token-file
             CAPSULET_TOKEN, the token itself
             CAPSULET_TOKEN_FILE
             --os-cloud, or OS_CLOUD: an entry of clouds.yaml
             OS_AUTH_URL with OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME,
               OS_USER_DOMAIN_NAME, OS_PROJECT_DOMAIN_NAME (or their _ID), or with
               OS_APPLICATION_CREDENTIAL_ID and _SECRET
             OS_TOKEN
             ` + defaultTokenFile + `
             nobody: where the server asks for no token, on a unix socket or
               with a client certificate

  TLS        --ca-file    CAPSULET_CA_FILE     OS_CACERT
             --cert       CAPSULET_CERT_FILE   OS_CERT
             --key        CAPSULET_KEY_FILE    OS_KEY
             --insecure   CAPSULET_INSECURE    OS_INSECURE

An endpoint is http://HOST:PORT, https://HOST:PORT, or unix:///PATH.

Exit codes: 0 it is done; 1 it is not, and the message says why; 124 wait, or
--wait, has waited for as long as --timeout says; 130 interrupted. Of exec: that of the command.
`

// Options are the flags of the connection. Every empty one is looked for in the environment.
type Options struct {
	Endpoint, TokenFile, CAFile, CertFile, KeyFile, Cloud string
	Insecure                                              bool
}

// Bind adds the flags. The older name of --endpoint, --url, goes on being understood.
func (o *Options) Bind(fs *pflag.FlagSet) {
	fs.StringVar(&o.Endpoint, "endpoint", "", "URL of the capsule API: http://…, https://… or unix:///PATH (CAPSULET_ENDPOINT; default "+defaultEndpoint+")")
	fs.StringVar(&o.TokenFile, "token-file", "", "file with the token; CAPSULET_TOKEN is the token itself (CAPSULET_TOKEN_FILE)")
	fs.StringVar(&o.Endpoint, "url", "", "--endpoint")
	_ = fs.MarkHidden("url")
	o.bindTLS(fs, "the API")
}

// BindCloud adds the flags for a command that talks to Keystone and not to the API: see [Options.OpenStack].
func (o *Options) BindCloud(fs *pflag.FlagSet) { o.bindTLS(fs, "Keystone") }

func (o *Options) bindTLS(fs *pflag.FlagSet, whose string) {
	fs.StringVar(&o.CAFile, "ca-file", "", "certificates that sign that of "+whose+" (CAPSULET_CA_FILE)")
	fs.StringVar(&o.CertFile, "cert", "", "certificate to show to "+whose+" (CAPSULET_CERT_FILE)")
	fs.StringVar(&o.KeyFile, "key", "", "key of the certificate (CAPSULET_KEY_FILE)")
	fs.BoolVar(&o.Insecure, "insecure", false, "do not check the certificate of "+whose+": whoever is on the way may read and change everything")
	fs.StringVar(&o.Cloud, "os-cloud", "", "entry of clouds.yaml to log in with (OS_CLOUD)")
}

// OpenStack is who logs in at which Keystone. InvalidArgument when nothing says so.
func (o *Options) OpenStack() (openstack.Config, error) {
	transport, err := o.transport()
	if err != nil {
		return openstack.Config{}, err
	}
	cloud := openstack.Config{Getenv: os.Getenv, Cloud: o.Cloud, Transport: transport}
	if !cloud.Set() {
		return cloud, fmt.Errorf("which Keystone? Set OS_AUTH_URL and what belongs to it, or name a cloud with --os-cloud: %w", errdefs.ErrInvalidArgument)
	}
	return cloud, nil
}

// Client makes the client of the API. Only a login at Keystone connects.
func (o *Options) Client(ctx context.Context) (*zun.Client, error) {
	transport, err := o.transport()
	if err != nil {
		return nil, err
	}
	endpoint := cmp.Or(o.Endpoint, os.Getenv("CAPSULET_ENDPOINT"), os.Getenv("CAPSULET_URL"))
	cloud := openstack.Config{Getenv: os.Getenv, Cloud: o.Cloud, Endpoint: endpoint, Transport: transport}
	token, err := o.token()
	if err != nil {
		return nil, err
	}
	if token == "" && cloud.Set() {
		return openstack.Login(ctx, cloud)
	}
	if endpoint == "" { // OS_AUTH_URL without anything to find a catalog with is no address
		endpoint = cmp.Or(os.Getenv("OS_ENDPOINT"), os.Getenv("OS_ENDPOINT_OVERRIDE"), defaultEndpoint)
	}
	if token == "" {
		if token, err = o.lastToken(endpoint); err != nil {
			return nil, err
		}
	}
	return zun.New(zun.Config{Endpoint: endpoint, Token: token, Transport: transport})
}

// token is the one of capsulet's own flags and variables, or none.
func (o *Options) token() (string, error) {
	if o.TokenFile != "" {
		return read(o.TokenFile)
	}
	if token := os.Getenv("CAPSULET_TOKEN"); token != "" {
		return token, nil
	}
	if path := os.Getenv("CAPSULET_TOKEN_FILE"); path != "" {
		return read(path)
	}
	return "", nil
}

// lastToken is OS_TOKEN or that of the server on this machine. Behind a socket, and with a certificate, there may be none.
func (o *Options) lastToken(endpoint string) (string, error) {
	if token := os.Getenv("OS_TOKEN"); token != "" {
		return token, nil
	}
	token, err := read(defaultTokenFile)
	known := strings.HasPrefix(endpoint, "unix:") || o.CertFile != "" || os.Getenv("CAPSULET_CERT_FILE") != "" || os.Getenv("OS_AUTH_TYPE") == "none"
	if known && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
		return "", nil
	}
	return token, err
}

func read(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the token of the capsule API (set CAPSULET_TOKEN or --token-file, or see 'capsulet help connection'): %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// transport is Go's own with the certificates of the options.
func (o *Options) transport() (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	caFile := cmp.Or(o.CAFile, os.Getenv("CAPSULET_CA_FILE"), os.Getenv("OS_CACERT"))
	certFile := cmp.Or(o.CertFile, os.Getenv("CAPSULET_CERT_FILE"), os.Getenv("OS_CERT"))
	keyFile := cmp.Or(o.KeyFile, os.Getenv("CAPSULET_KEY_FILE"), os.Getenv("OS_KEY"))
	insecure := o.Insecure || truth(os.Getenv("CAPSULET_INSECURE")) || truth(os.Getenv("OS_INSECURE"))
	if caFile == "" && certFile == "" && keyFile == "" && !insecure {
		return transport, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure} //nolint:gosec // who asks for it was told
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("reading --ca-file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file %s holds no certificate: %w", caFile, errdefs.ErrInvalidArgument)
		}
	}
	if certFile != "" || keyFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, cmp.Or(keyFile, certFile))
		if err != nil {
			return nil, fmt.Errorf("reading --cert and --key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	transport.TLSClientConfig = cfg
	return transport, nil
}

func truth(word string) bool {
	switch strings.ToLower(word) {
	case "", "0", "false", "no", "off":
		return false
	default:
		return true
	}
}
