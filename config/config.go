package config

import (
	_ "embed"
	"path/filepath"
)

// Config is the configuration of one capsulet process.
type Config struct {
	// Instance tells the objects of this server from those of another one on the same Docker hosts.
	Instance string `yaml:"instance"`
	// StateDir survives reboots, RunDir (a tmpfs) does not.
	StateDir string `yaml:"stateDir"`
	RunDir   string `yaml:"runDir"`
	// SeccompDir has the profiles that securityContext.seccompProfile.localhostProfile names.
	SeccompDir string `yaml:"seccompDir"`
	Log        Log    `yaml:"log"`
	API        API    `yaml:"api"`
	Store      Store  `yaml:"store"`
	Hosts      []Host `yaml:"hosts"`
	// SandboxImage replaces the built-in sandbox; empty means the built-in one.
	SandboxImage string   `yaml:"sandboxImage"`
	Networks     Networks `yaml:"networks"`
	Quota        Quota    `yaml:"quota"`
	Volumes      Volumes  `yaml:"volumes"`
	// Notifications are who is told of events.
	Notifications []Notification `yaml:"notifications"`
	Node          Node           `yaml:"node"`
}

// Networks are what capsules and containers may be in.
type Networks struct {
	// Engine are names of networks that the engines have of their own, besides bridge, which may always be chosen.
	Engine []string `yaml:"engine"`
}

// Quota is what each project may have, unless the API says otherwise for it or for all; -1 is no limit (Zun: conf/quota.py). The
// administrator's own project has no limits.
type Quota struct {
	Containers int64 `yaml:"containers"`
	// MemoryMiB is in MiB, CPU in cores, DiskGiB in GiB.
	MemoryMiB int64 `yaml:"memoryMiB"`
	CPU       int64 `yaml:"cpu"`
	DiskGiB   int64 `yaml:"diskGiB"`
}

// Volumes says what serves volumes that are asked for by size.
type Volumes struct {
	// Sized is the driver: local (the disk of the host), or empty for none.
	Sized string `yaml:"sized"`
}

// Log says what is logged and how.
type Log struct {
	// Level is a level of logrus: error, warning, info, debug, trace.
	Level string `yaml:"level"`
	// Format is text or json.
	Format string `yaml:"format"`
}

// API is the capsule API's server.
type API struct {
	// Listen are host:port or unix:///path. An address that others reach needs TLS; whoever opens a socket is the administrator.
	Listen Addresses `yaml:"listen"`
	// SocketMode is of the files of sockets, in octal: 0600, or 0660 for the group of this process.
	SocketMode  string `yaml:"socketMode"`
	TLSCertFile string `yaml:"tlsCertFile"`
	TLSKeyFile  string `yaml:"tlsKeyFile"`
	// ClientCAFile has the authorities of client certificates; CallersFile says whose they are.
	ClientCAFile string `yaml:"clientCAFile"`
	// TokenFile holds the administrator's token; <stateDir>/admin.token by default, generated when missing.
	TokenFile string `yaml:"tokenFile"`
	// CallersFile names callers by their tokens and certificates.
	CallersFile string `yaml:"callersFile"`
	// PolicyFile overrides who may do what.
	PolicyFile string `yaml:"policyFile"`
	// InsecureNoAuth takes everybody on this machine for the administrator.
	InsecureNoAuth bool     `yaml:"insecureNoAuth"`
	Keystone       Keystone `yaml:"keystone"`
	Limits         Limits   `yaml:"limits"`
	// MaxBodyBytes bounds a request.
	MaxBodyBytes int64 `yaml:"maxBodyBytes"`
	// StreamIdleTimeout, a duration of Go, ends an exec, an attachment or a forwarding in which nothing is said.
	StreamIdleTimeout string `yaml:"streamIdleTimeout"`
	// WebsocketURL is where clients reach the WebSockets of attach and execute; the address of their request when empty.
	// WebsocketOrigins are other hosts, or whole origins, whose pages may open them.
	WebsocketURL     string   `yaml:"websocketURL"`
	WebsocketOrigins []string `yaml:"websocketOrigins"`
}

// Keystone is the identity service whose tokens are good for the capsule API; without URL there is none.
type Keystone struct {
	URL string `yaml:"url"`
	// PublicURL is what callers without a token are told; URL by default.
	PublicURL string `yaml:"publicURL"`
	// The service user that validates tokens.
	Username      string `yaml:"username"`
	PasswordFile  string `yaml:"passwordFile"`
	UserDomain    string `yaml:"userDomain"`
	Project       string `yaml:"project"`
	ProjectDomain string `yaml:"projectDomain"`
	CAFile        string `yaml:"caFile"`
	// CacheTTL, a duration of Go, is how long an answer is believed.
	CacheTTL string `yaml:"cacheTTL"`
}

// Limits are how many requests in a second, and at once, the capsule API takes; 0 in a second is no limit.
type Limits struct {
	// PerIdentity is for each caller that is known.
	PerIdentity      int `yaml:"perIdentity"`
	PerIdentityBurst int `yaml:"perIdentityBurst"`
	// Unknown is for each address, of requests that say nobody known and of tokens that Keystone is to be asked for.
	Unknown      int `yaml:"unknown"`
	UnknownBurst int `yaml:"unknownBurst"`
}

// Store says where the records are: in an etcd cluster or, without endpoints, in <stateDir>/etcd.
type Store struct {
	Endpoints    []string `yaml:"endpoints"`
	CertFile     string   `yaml:"certFile"`
	KeyFile      string   `yaml:"keyFile"`
	CAFile       string   `yaml:"caFile"`
	Username     string   `yaml:"username"`
	PasswordFile string   `yaml:"passwordFile"`
	Prefix       string   `yaml:"prefix"`
	// SealKeyFile holds the key that the records are sealed with; <stateDir>/seal.key by default, generated when missing.
	SealKeyFile string `yaml:"sealKeyFile"`
}

// Host is one Docker host.
type Host struct {
	// Name is the engine's own when empty.
	Name     string `yaml:"name"`
	Endpoint string `yaml:"endpoint"`
	// Address is the IP address that other hosts reach it by; found out when empty.
	Address string `yaml:"address"`
	// PublicAddress is an IP address or a name that the world reaches it by, for who asks where published ports are.
	PublicAddress    string            `yaml:"publicAddress"`
	Labels           map[string]string `yaml:"labels"`
	AvailabilityZone string            `yaml:"availabilityZone"`
	TLS              HostTLS           `yaml:"tls"`
}

// HostTLS names the files for mutual TLS with an engine.
type HostTLS struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Notification is a receiver of events.
type Notification struct {
	// URL is https, or http on this machine.
	URL string `yaml:"url"`
	// SecretFile holds what signs them; they are not signed when empty.
	SecretFile string `yaml:"secretFile"`
	// Events are patterns of types of events; all when empty.
	Events []string `yaml:"events"`
}

// Node is the virtual node in a Kubernetes cluster.
type Node struct {
	Name string `yaml:"name"`
	// Kubeconfig is empty inside the cluster.
	Kubeconfig string `yaml:"kubeconfig"`
	// Address is the IP address that the cluster reaches the node by; found out when empty.
	Address     string `yaml:"address"`
	KubeletPort int    `yaml:"kubeletPort"`
	// KubeletListen is the IP address that the kubelet API listens on; every one when empty.
	KubeletListen string            `yaml:"kubeletListen"`
	Labels        map[string]string `yaml:"labels"`
	// Taint is key[=value]:effect; NoTaint leaves the node without it.
	Taint    string   `yaml:"taint"`
	NoTaint  bool     `yaml:"noTaint"`
	MaxPods  int      `yaml:"maxPods"`
	Reserved Reserved `yaml:"reserved"`
	// ServingCertFile and ServingKeyFile are for the kubelet API; a certificate is requested of the cluster, or made,
	// when they are empty. ClientCAFile tells the API server's client certificate; the cluster is asked when empty.
	ServingCertFile string `yaml:"servingCertFile"`
	ServingKeyFile  string `yaml:"servingKeyFile"`
	ClientCAFile    string `yaml:"clientCAFile"`
}

// Reserved is kept out of what the node offers, as Kubernetes quantities.
type Reserved struct {
	CPU    string `yaml:"cpu"`
	Memory string `yaml:"memory"`
}

// DefaultEndpoint is the Docker host when none is named.
const DefaultEndpoint = "unix:///var/run/docker.sock"

// Default is the configuration when nothing is set.
func Default() Config {
	return Config{
		Instance:   "capsulet",
		StateDir:   "/var/lib/capsulet",
		RunDir:     "/run/capsulet",
		SeccompDir: "/var/lib/kubelet/seccomp",
		Log:        Log{Level: "info", Format: "text"},
		API: API{
			Listen: Addresses{"127.0.0.1:9517"}, SocketMode: "0600", MaxBodyBytes: 8 << 20, StreamIdleTimeout: "4h",
			Keystone: Keystone{UserDomain: "Default", ProjectDomain: "Default", CacheTTL: "1m"},
			Limits:   Limits{PerIdentity: 1000, PerIdentityBurst: 2000, Unknown: 20, UnknownBurst: 100},
		},
		Store: Store{Prefix: "/capsulet/"},
		Hosts: []Host{{Endpoint: DefaultEndpoint}},
		Quota: Quota{Containers: 40, MemoryMiB: 51200, CPU: 20, DiskGiB: 100},
		Node: Node{Name: "capsulet", KubeletPort: 10250, MaxPods: 110,
			Taint: "virtual-kubelet.io/provider=capsulet:NoSchedule"},
	}
}

// complete fills in what follows from other keys.
func (c *Config) complete() {
	if c.API.TokenFile == "" {
		c.API.TokenFile = filepath.Join(c.StateDir, "admin.token")
	}
	if c.Store.SealKeyFile == "" {
		c.Store.SealKeyFile = filepath.Join(c.StateDir, "seal.key")
	}
}

// EtcdDir is where the embedded store has its data.
func (c *Config) EtcdDir() string { return filepath.Join(c.StateDir, "etcd") }

//go:embed sample.yaml
var sample string

// Sample is a configuration file with every key, its default and what it means.
func Sample() string { return sample }
