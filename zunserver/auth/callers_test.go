package auth

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

func callersFile(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "callers.yaml")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// request carries a token, a verified certificate, or both.
func request(token, commonName string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	if commonName != "" {
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: commonName}}}}}
	}
	return r
}

func TestCallers(t *testing.T) {
	c, err := LoadCallers(callersFile(t, fmt.Sprintf(`
- {user: ci, project: builds, roles: [member], token: token-of-the-builder}
- {user: ops, project: admin, roles: [admin], tokenSHA256: %x}
- {user: robot, project: builds, commonName: robot.example.org, token: token-of-the-robot}
`, sha256.Sum256([]byte("token-of-operations"))), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	stranger := request("", "robot.example.org")
	stranger.TLS.VerifiedChains = nil
	for _, tc := range []struct {
		name, user string
		r          *http.Request
	}{
		{"token", "ci", request("token-of-the-builder", "")},
		{"digest", "ops", request("token-of-operations", "")},
		{"certificate", "robot", request("", "robot.example.org")},
		{"either", "robot", request("token-of-the-robot", "")},
		{"token before certificate", "ci", request("token-of-the-builder", "robot.example.org")},
		{"bad token with a good certificate", "", request("token-of-a-stranger", "robot.example.org")},
		{"unknown certificate", "", request("", "other.example.org")},
		{"certificate that is not verified", "", stranger},
		{"nothing", "", request("", "")},
	} {
		id, err := c.Authenticate(tc.r)
		if id.User != tc.user || (tc.user == "") != errdefs.IsUnauthorized(err) {
			t.Errorf("%s: %+v, %v", tc.name, id, err)
		}
	}
	admin, err := Under(nil, c).Authenticate(request("token-of-operations", ""))
	if err != nil || !admin.Admin {
		t.Errorf("the role admin: %+v, %v", admin, err)
	}
}

func TestBadCallers(t *testing.T) {
	for _, tc := range []struct {
		name, content, want string
		class               func(error) bool
		mode                os.FileMode
	}{
		{"open to all", "- {user: a, project: b, token: 0123456789abcdef}", "open to everybody", errdefs.IsFailedPrecondition, 0o644},
		{"empty", "", "is empty", errdefs.IsFailedPrecondition, 0o600},
		{"no list", "user: a", "is not a list of callers", errdefs.IsInvalidArgument, 0o600},
		{"unknown key", "- {user: a, project: b, tokn: secret-secret-secret}", "is not a list of callers", errdefs.IsInvalidArgument, 0o600},
		{"no user", "- {project: b, token: secret-secret-secret}", "caller 1 (user \"\"): user is missing", errdefs.IsInvalidArgument, 0o600},
		{"no project", "- {user: a, token: secret-secret-secret}", `caller 1 (user "a"): project is missing`, errdefs.IsInvalidArgument, 0o600},
		{"nothing to know it by", "- {user: a, project: b}", "no token, tokenSHA256 or commonName", errdefs.IsInvalidArgument, 0o600},
		{"guessable", "- {user: a, project: b, token: secret}", "shorter than 16 bytes", errdefs.IsInvalidArgument, 0o600},
		{"no digest", "- {user: a, project: b, tokenSHA256: secret}", "not the 64 hexadecimal digits", errdefs.IsInvalidArgument, 0o600},
		{"token twice", "[{user: a, project: b, token: secret-secret-secret}, {user: c, project: b, token: secret-secret-secret}]",
			`caller 2 (user "c"): the token is that of user "a", too`, errdefs.IsInvalidArgument, 0o600},
		{"certificate twice", "[{user: a, project: b, commonName: n}, {user: c, project: b, commonName: n}]", `commonName "n" is another`,
			errdefs.IsInvalidArgument, 0o600},
	} {
		_, err := LoadCallers(callersFile(t, tc.content, tc.mode))
		if err == nil || !tc.class(err) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret-secret") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
