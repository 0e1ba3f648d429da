package translate

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// keyring has the credentials of a Pod's pull secrets by what they are for: "host", "host:port" or "host/path", where the
// host may have wildcards (kubelet: pkg/credentialprovider/keyring.go).
type keyring map[string][]capsule.Credential

// keyringOf gathers the credentials of the Pod's pull secrets and the names of those that are not there or cannot be read.
func keyringOf(pod *corev1.Pod, src *Sources) (ring keyring, lacking []string) {
	ring = keyring{}
	for _, ref := range pod.Spec.ImagePullSecrets {
		if ref.Name == "" {
			continue
		}
		s, ok := src.Secrets[ref.Name]
		if !ok || !ring.add(s) {
			lacking = append(lacking, ref.Name)
		}
	}
	return ring, lacking
}

// LackingPullSecrets are the names of the pull secrets that are not there or hold no credentials that can be read.
func LackingPullSecrets(pod *corev1.Pod, src Sources) []string {
	_, lacking := keyringOf(pod, &src)
	return lacking
}

// registryLogin is one entry of a Docker configuration.
type registryLogin struct {
	Username string `json:"username"`
	Password string `json:"password"`
	// Auth is base64 of name:password and wins.
	Auth string `json:"auth"`
}

// add takes in one secret; it is false when its content is no Docker configuration. Secrets of other types are passed over.
func (k keyring) add(s *corev1.Secret) bool {
	var file struct {
		Auths map[string]registryLogin `json:"auths"`
	}
	switch {
	case s.Type == corev1.SecretTypeDockerConfigJson && len(s.Data[corev1.DockerConfigJsonKey]) > 0:
		if json.Unmarshal(s.Data[corev1.DockerConfigJsonKey], &file) != nil {
			return false
		}
	case s.Type == corev1.SecretTypeDockercfg && len(s.Data[corev1.DockerConfigKey]) > 0:
		if json.Unmarshal(s.Data[corev1.DockerConfigKey], &file.Auths) != nil {
			return false
		}
	}
	for _, server := range sortedKeys(file.Auths) {
		login := file.Auths[server]
		if login.Auth != "" {
			text, err := decodeAuth(login.Auth)
			name, password, ok := strings.Cut(text, ":")
			if err != nil || !ok {
				return false
			}
			login.Username, login.Password = name, password
		}
		if key, ok := keyOf(server); ok {
			k[key] = append(k[key], capsule.Credential{Server: server, Username: login.Username, Password: login.Password})
		}
	}
	return true
}

func decodeAuth(s string) (string, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return strings.TrimRight(string(b), "\x00"), err
}

// keyOf is the part of a server's address that images are compared with.
func keyOf(server string) (string, bool) {
	if !strings.HasPrefix(server, "https://") && !strings.HasPrefix(server, "http://") {
		server = "https://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", false
	}
	p := u.Path
	if strings.HasPrefix(p, "/v1/") || strings.HasPrefix(p, "/v2/") {
		p = p[len("/v1"):]
	}
	if p == "/" {
		p = ""
	}
	return u.Host + p, true
}

// dockerHub is how a Docker configuration calls the registry of images without a host.
const dockerHub = "index.docker.io"

// credentials are those for the image, the most specific first; none for a name that is no image's.
func (k keyring) credentials(image string) []capsule.Credential {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil || len(k) == 0 {
		return nil
	}
	var found []capsule.Credential
	keys := sortedKeys(k)
	slices.Reverse(keys)
	for _, key := range keys {
		if keyMatches(key, named.Name()) {
			found = append(found, k[key]...)
		}
	}
	if len(found) == 0 && reference.Domain(named) == "docker.io" {
		found = append(found, k[dockerHub]...)
	}
	return found
}

// keyMatches compares the host element by element, each a pattern, and the path by its beginning.
func keyMatches(key, image string) bool {
	keyHost, keyPath, _ := strings.Cut(key, "/")
	host, rest, _ := strings.Cut(image, "/")
	keyHost, keyPort, _ := strings.Cut(keyHost, ":")
	host, port, _ := strings.Cut(host, ":")
	want, have := strings.Split(keyHost, "."), strings.Split(host, ".")
	if port != keyPort || len(want) != len(have) || !strings.HasPrefix(rest, keyPath) {
		return false
	}
	for i := range want {
		if ok, err := path.Match(want[i], have[i]); !ok || err != nil {
			return false
		}
	}
	return true
}
