package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

// from is a request from an address with a token.
func from(address, token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = address
	r.Header.Set("X-Auth-Token", token)
	return r
}

// TestLimited: who asks too often waits, and nobody else does.
func TestLimited(t *testing.T) {
	tokens, err := NewTokens(map[string]Identity{adminToken: Administrator(), userToken: {User: "u", Project: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	l := Limited(tokens, NewBudgets(1e-3, 3), NewBudgets(1e-3, 2))
	for i, tc := range []struct {
		address, token string
		want           func(error) bool
	}{
		{"10.0.0.1:1", userToken, nil},
		{"10.0.0.1:1", userToken, nil},
		{"10.0.0.2:1", userToken, nil},
		{"10.0.0.3:1", userToken, errdefs.IsResourceExhausted},
		{"10.0.0.1:1", adminToken, nil},
		{"10.0.0.1:1", "guess", errdefs.IsUnauthorized},
		{"10.0.0.1:2", "guess", errdefs.IsUnauthorized},
		{"10.0.0.1:3", "guess", errdefs.IsResourceExhausted},
		{"10.0.0.1:3", adminToken, nil}, // a neighbour who guesses keeps nobody out
		{"10.0.0.2:1", "guess", errdefs.IsUnauthorized},
		{"[2001:db8::1]:1", "guess", errdefs.IsUnauthorized},
		{"[2001:db8::2]:1", "guess", errdefs.IsUnauthorized},
		{"[2001:db8::3]:1", "guess", errdefs.IsResourceExhausted}, // the same customer
		{"[2001:db8:0:1::3]:1", "guess", errdefs.IsUnauthorized},
	} {
		_, err := l.Authenticate(from(tc.address, tc.token))
		if (tc.want == nil) != (err == nil) || err != nil && !tc.want(err) {
			t.Errorf("request %d, from %s: %v", i, tc.address, err)
		}
	}
	_, err = l.Authenticate(from("10.0.0.9:1", userToken))
	var busy Busy
	if !errors.As(err, &busy) || busy.RetryAfter() < time.Second || busy.RetryAfter()%time.Second != 0 {
		t.Errorf("when to try again: %v", err)
	}
	free := Limited(tokens, NewBudgets(0, 0), nil)
	for range 1000 {
		if _, err := free.Authenticate(from("10.0.0.1:1", userToken)); err != nil {
			t.Fatalf("without limits: %v", err)
		}
	}
}
