package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"
)

// minTokenSize keeps guessable tokens out.
const minTokenSize = 16

// Tokens authenticates by static tokens, in the header X-Auth-Token (OpenStack's) or as Authorization: Bearer.
type Tokens struct {
	known []knownToken
}

type knownToken struct {
	digest   [sha256.Size]byte
	identity Identity
}

// NewTokens knows the callers that the keys of identities are the tokens of. A token of less than 16 bytes or with white
// space is an error of the class InvalidArgument, which names its user and not the token.
func NewTokens(identities map[string]Identity) (*Tokens, error) {
	t := new(Tokens)
	for token, id := range identities {
		if err := checkToken(token); err != nil {
			return nil, fmt.Errorf("user %q: %w: %w", id.User, err, errdefs.ErrInvalidArgument)
		}
		t.known = append(t.known, knownToken{sha256.Sum256([]byte(token)), id})
	}
	return t, nil
}

func checkToken(token string) error {
	if len(token) < minTokenSize || strings.ContainsAny(token, " \t\r\n") {
		return fmt.Errorf("the token is shorter than %d bytes or has white space", minTokenSize)
	}
	return nil
}

// add makes one more known.
func (t *Tokens) add(digest [sha256.Size]byte, id Identity) error {
	for i := range t.known {
		if t.known[i].digest == digest {
			return fmt.Errorf("the token is that of user %q, too", t.known[i].identity.User)
		}
	}
	t.known = append(t.known, knownToken{digest, id})
	return nil
}

// Authenticate implements Authenticator.
func (t *Tokens) Authenticate(r *http.Request) (Identity, error) {
	token := SentToken(r)
	if token == "" {
		return Identity{}, fmt.Errorf("no token: send X-Auth-Token or Authorization: Bearer: %w", errdefs.ErrUnauthenticated)
	}
	digest := sha256.Sum256([]byte(token))
	found := -1
	for i := range t.known {
		if subtle.ConstantTimeCompare(digest[:], t.known[i].digest[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Identity{}, fmt.Errorf("the token is not known here: %w", errdefs.ErrUnauthenticated)
	}
	return t.known[found].identity, nil
}

// SentToken is the token that a request carries, "" without one. It prefers OpenStack's header; the word Bearer has no case (RFC 9110, 11.1).
func SentToken(r *http.Request) string {
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		return token
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
