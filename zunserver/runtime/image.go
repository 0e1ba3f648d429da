package runtime

import "time"

// Image is a local image.
type Image struct {
	ID          string
	Tags        []string
	Digests     []string
	SizeBytes   int64
	CreatedAt   time.Time
	User        string
	WorkDir     string
	Env         []string
	Entrypoint  []string
	Cmd         []string
	StopSignal  string
	Volumes     []string
	ExposePorts []string
	Labels      map[string]string
}

// ImageConfig is the configuration of an imported image.
type ImageConfig struct {
	Entrypoint []string
	Cmd        []string
	Env        []string
	User       string
	WorkDir    string
	Labels     map[string]string
	Platform   string
}

// RegistryAuth are the credentials for one pull. They are never logged.
type RegistryAuth struct {
	Username, Password, ServerAddress, IdentityToken string
}

// String hides the secret.
func (RegistryAuth) String() string { return "***" }

// GoString hides the secret.
func (RegistryAuth) GoString() string { return "***" }
