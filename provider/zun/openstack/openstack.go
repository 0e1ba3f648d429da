// Package openstack makes clients of the capsule API for users of an OpenStack cloud: it reads what OpenStack's clients read
// (the OS_* variables, or an entry of clouds.yaml), asks Keystone for a token, and finds the API in the service catalog, into which
// Register puts it.
//
// Decisions (2026-11-26): gophercloud's own reader of the variables wants OS_DOMAIN_NAME beside a project's name and knows no
// OS_USER_DOMAIN_NAME, OS_PROJECT_DOMAIN_NAME and OS_TOKEN, which every openrc file of Keystone v3 has; so they are read
// here. clouds.yaml is read by gophercloud.
package openstack

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"

	"github.com/capsulet/capsulet/provider/zun"
)

// serviceTypes are the names under which catalogs have the API: Zun's, and the one of OpenStack's service-types authority.
var serviceTypes = []string{"container", "application-container"}

// Config says who logs in where.
type Config struct {
	// Getenv reads a variable; os.Getenv, outside of tests.
	Getenv func(string) string
	// Cloud is an entry of clouds.yaml; it goes before OS_CLOUD.
	Cloud string
	// Endpoint of the capsule API; empty: from the catalog.
	Endpoint string
	// Transport is used for Keystone and for the API; nil means Go's default.
	Transport *http.Transport
}

// Set says whether the environment names a cloud.
func (c Config) Set() bool {
	return cmp.Or(c.Cloud, c.Getenv("OS_CLOUD"), c.Getenv("OS_AUTH_URL")) != ""
}

// Login asks Keystone for a token and returns a client that asks for another one when it has expired. InvalidArgument for what
// is missing in the environment, Unauthenticated for what Keystone does not believe.
func Login(ctx context.Context, c Config) (*zun.Client, error) {
	provider, where, err := c.login(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err := c.endpoint(provider, where)
	if err != nil {
		return nil, err
	}
	return zun.With(provider, zun.Config{Endpoint: endpoint, Transport: provider.HTTPClient.Transport.(*http.Transport)})
}

// login asks Keystone for a token.
func (c Config) login(ctx context.Context) (*gophercloud.ProviderClient, gophercloud.EndpointOpts, error) {
	auth, where, tlsConfig, err := c.options()
	if err != nil {
		return nil, where, err
	}
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	if tlsConfig != nil && transport.TLSClientConfig == nil {
		transport.TLSClientConfig = tlsConfig
	}
	auth.AllowReauth = auth.TokenID == ""
	provider, err := openstack.NewClient(auth.IdentityEndpoint)
	if err != nil {
		return nil, where, fmt.Errorf("keystone at %s: %w: %w", auth.IdentityEndpoint, err, errdefs.ErrInvalidArgument)
	}
	provider.HTTPClient.Transport = transport
	if err := openstack.Authenticate(ctx, provider, auth); err != nil {
		if gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
			return nil, where, fmt.Errorf("keystone at %s does not accept the user and the password, or the token: %w",
				auth.IdentityEndpoint, errdefs.ErrUnauthenticated)
		}
		return nil, where, fmt.Errorf("log in at Keystone %s: %w: %w", auth.IdentityEndpoint, err, errdefs.ErrUnavailable)
	}
	return provider, where, nil
}

// endpoint is the URL of the API: the configured one, else that of the catalog.
func (c Config) endpoint(provider *gophercloud.ProviderClient, where gophercloud.EndpointOpts) (string, error) {
	if endpoint := cmp.Or(c.Endpoint, c.Getenv("OS_ENDPOINT"), c.Getenv("OS_ENDPOINT_OVERRIDE")); endpoint != "" {
		return endpoint, nil
	}
	where.Type, where.Aliases = serviceTypes[0], serviceTypes[1:]
	endpoint, err := provider.EndpointLocator(where)
	var absent *gophercloud.ErrEndpointNotFound
	switch {
	case errors.As(err, &absent):
		return "", fmt.Errorf("keystone's catalog has no %s endpoint of the type %s: %w",
			where.Availability, strings.Join(serviceTypes, " or "), errdefs.ErrNotFound)
	case err != nil:
		return "", fmt.Errorf("find the capsule API in Keystone's catalog: %w", err)
	}
	return endpoint, nil
}

func (c Config) options() (gophercloud.AuthOptions, gophercloud.EndpointOpts, *tls.Config, error) {
	where := gophercloud.EndpointOpts{
		Region:       c.Getenv("OS_REGION_NAME"),
		Availability: availability(cmp.Or(c.Getenv("OS_INTERFACE"), c.Getenv("OS_ENDPOINT_TYPE"))),
	}
	if cloud := cmp.Or(c.Cloud, c.Getenv("OS_CLOUD")); cloud != "" {
		auth, of, tlsConfig, err := clouds.Parse(clouds.WithCloudName(cloud))
		if err != nil {
			return auth, of, nil, fmt.Errorf("clouds.yaml: %w: %w", err, errdefs.ErrInvalidArgument)
		}
		return auth, of, tlsConfig, nil
	}
	auth, err := c.fromEnvironment()
	return auth, where, nil, err
}

func availability(word string) gophercloud.Availability {
	switch strings.TrimSuffix(word, "URL") {
	case "internal":
		return gophercloud.AvailabilityInternal
	case "admin":
		return gophercloud.AvailabilityAdmin
	default:
		return gophercloud.AvailabilityPublic
	}
}

// fromEnvironment reads the OS_* variables. A domain that is not named is "default", as the openstack command has it.
func (c Config) fromEnvironment() (gophercloud.AuthOptions, error) {
	get := c.Getenv
	auth := gophercloud.AuthOptions{
		IdentityEndpoint: get("OS_AUTH_URL"),
		Username:         get("OS_USERNAME"), UserID: cmp.Or(get("OS_USER_ID"), get("OS_USERID")), Password: get("OS_PASSWORD"),
		TokenID:                 get("OS_TOKEN"),
		ApplicationCredentialID: get("OS_APPLICATION_CREDENTIAL_ID"), ApplicationCredentialName: get("OS_APPLICATION_CREDENTIAL_NAME"),
		ApplicationCredentialSecret: get("OS_APPLICATION_CREDENTIAL_SECRET"),
	}
	missing := func(name string) (gophercloud.AuthOptions, error) {
		return auth, fmt.Errorf("OS_AUTH_URL is set, and %s is not: %w", name, errdefs.ErrInvalidArgument)
	}
	credential := auth.ApplicationCredentialID != "" || auth.ApplicationCredentialName != ""
	switch {
	case auth.TokenID != "" && auth.Username == "" && auth.UserID == "" && !credential:
	case credential && auth.ApplicationCredentialSecret == "":
		return missing("OS_APPLICATION_CREDENTIAL_SECRET")
	case !credential && auth.Username == "" && auth.UserID == "":
		return missing("OS_USERNAME or OS_TOKEN")
	case !credential && auth.Password == "":
		return missing("OS_PASSWORD")
	default:
		auth.TokenID = ""
	}
	if auth.Username != "" {
		auth.DomainID, auth.DomainName = domain(get("OS_USER_DOMAIN_ID"), get("OS_USER_DOMAIN_NAME"), get)
	}
	if !credential {
		auth.Scope = scope(get)
	}
	return auth, nil
}

// scope is the project that the token is for. A token that is at hand may do without: then it is that of the token.
func scope(get func(string) string) *gophercloud.AuthScope {
	if id := cmp.Or(get("OS_PROJECT_ID"), get("OS_TENANT_ID")); id != "" {
		return &gophercloud.AuthScope{ProjectID: id}
	}
	name := cmp.Or(get("OS_PROJECT_NAME"), get("OS_TENANT_NAME"))
	if name == "" {
		return nil
	}
	s := &gophercloud.AuthScope{ProjectName: name}
	s.DomainID, s.DomainName = domain(get("OS_PROJECT_DOMAIN_ID"), get("OS_PROJECT_DOMAIN_NAME"), get)
	return s
}

func domain(id, name string, get func(string) string) (ofID, ofName string) {
	switch {
	case id != "":
		return id, ""
	case name != "":
		return "", name
	case get("OS_DOMAIN_ID") != "":
		return get("OS_DOMAIN_ID"), ""
	case get("OS_DOMAIN_NAME") != "":
		return "", get("OS_DOMAIN_NAME")
	default:
		return "default", ""
	}
}
