package auth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
)

const (
	adminToken = "admin-token-of-the-test"
	userToken  = "users-token-of-the-test"
)

func TestTokens(t *testing.T) {
	tokens, err := NewTokens(map[string]Identity{adminToken: Administrator(), userToken: {User: "u", Project: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, header, value, user string
	}{
		{"OpenStack's header", "X-Auth-Token", adminToken, "admin"},
		{"bearer", "Authorization", "Bearer " + userToken, "u"},
		{"bearer in lower case", "Authorization", "bearer " + userToken, "u"},
		{"none", "Accept", "*/*", ""},
		{"empty", "X-Auth-Token", "", ""},
		{"unknown", "X-Auth-Token", "no-token-that-is-known", ""},
		{"prefix", "X-Auth-Token", userToken[:len(userToken)-1], ""},
		{"longer", "X-Auth-Token", userToken + "x", ""},
		{"other scheme", "Authorization", "Basic " + userToken, ""},
		{"no scheme", "Authorization", userToken, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(tc.header, tc.value)
		id, err := tokens.Authenticate(r)
		if id.User != tc.user || (tc.user == "") != errdefs.IsUnauthorized(err) {
			t.Errorf("%s: %+v, %v", tc.name, id, err)
		}
		if err != nil && tc.value != "" && strings.Contains(err.Error(), tc.value) {
			t.Errorf("%s: the error repeats the token: %v", tc.name, err)
		}
	}
	if dump := fmt.Sprintf("%+v", tokens); strings.Contains(dump, adminToken) {
		t.Error("a dump shows the token")
	}
}

func TestNewTokensRefuses(t *testing.T) {
	for _, token := range []string{"", "tiny", "has white space in it"} {
		if _, err := NewTokens(map[string]Identity{token: {User: "u"}}); !errdefs.IsInvalidArgument(err) || token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func TestAllowed(t *testing.T) {
	own := Identity{User: "u", Project: "p"}
	for _, tc := range []struct {
		action  Action
		id      Identity
		project string
		want    bool
	}{
		{CapsuleCreate, own, "p", true},
		{CapsuleGet, own, "p", true},
		{CapsuleGet, own, "q", false},
		{CapsuleGet, Identity{}, "", false},
		{CapsuleGet, Administrator(), "q", true},
		{CapsuleDelete, own, "q", false},
		{CapsuleLogs, own, "q", false},
		{CapsuleGetAll, own, "", true},
		{CapsuleAllProject, own, "", false},
		{HostGetAll, own, "", false},
		{HostGetAll, Administrator(), "", true},
		{"something:new", own, "p", false},
		{"something:new", Administrator(), "p", true},
	} {
		err := Allowed(tc.action, tc.id, tc.project)
		if (err == nil) != tc.want || err != nil && !errdefs.IsPermissionDenied(err) {
			t.Errorf("%s by %s/%s on %q: %v", tc.action, tc.id.Project, tc.id.User, tc.project, err)
		}
	}
}

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "admin.token")
	// Processes that start together agree.
	got := make([]string, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = LoadOrCreateToken(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, token := range got {
		if token != got[0] || len(token) != 64 {
			t.Fatalf("tokens differ: %q", got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("left over: %v", files)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateToken(path); !errdefs.IsFailedPrecondition(err) || strings.Contains(err.Error(), got[0]) {
		t.Errorf("world-readable: %v", err)
	}
	if _, err := LoadOrCreateToken(filepath.Dir(path)); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("directory: %v", err)
	}
}
