package keystone

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/lru"

	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/auth/secretfile"
)

const (
	// askTimeout bounds one question to Keystone, a login before it included.
	askTimeout = 15 * time.Second
	// unknownTTL is how long a token that Keystone does not know is refused without asking again.
	unknownTTL = 10 * time.Second
	// answersKept bounds the memory for answers of each kind.
	answersKept = 8192
)

// Config is how to reach a Keystone. Everything is required but CAFile, Questions and Log.
type Config struct {
	// URL is of the identity service, as https://keystone:5000/v3. The catalog is not asked for another.
	URL string
	// The service user, which may validate tokens (by Keystone's default policy: the role service, admin or reader in a
	// system or a project of services). The file is read anew at each login.
	Username, UserDomain, PasswordFile, Project, ProjectDomain string
	// CAFile has the certificates that sign Keystone's; the system's when empty.
	CAFile string
	// CacheTTL is how long an answer is believed, and so how long a revoked token may still be used.
	CacheTTL time.Duration
	// Questions are how often an address may make us ask; nil has no limit.
	Questions *auth.Budgets
	Log       *logrus.Entry
}

// Keystone is an auth.Authenticator of Keystone's tokens. It is safe for concurrent use.
type Keystone struct {
	cfg            Config
	identity       *gophercloud.ServiceClient
	known, unknown *lru.Cache // of answer, by the SHA-256 of the token
	asking         singleflight.Group
	away           atomic.Bool
	now            func() time.Time
}

// answer is what Keystone said of a token: who it is, or why it is refused.
type answer struct {
	id    auth.Identity
	err   error
	until time.Time
}

// New prepares everything and asks nothing: Keystone may be down, and the service user is logged in when the first token comes.
func New(cfg Config) (*Keystone, error) {
	provider, err := openstack.NewClient(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("keystone URL %q: %w: %w", cfg.URL, err, errdefs.ErrInvalidArgument)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // uwsgi closes them without a word, and a login that meets that is not repeated
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificates of Keystone: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate: %w", cfg.CAFile, errdefs.ErrInvalidArgument)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if _, err := secretfile.Load(cfg.PasswordFile); err != nil {
		return nil, fmt.Errorf("the password of Keystone's user %s: %w", cfg.Username, err)
	}
	provider.HTTPClient = http.Client{Transport: transport, Timeout: askTimeout}
	identity, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	if err != nil {
		return nil, fmt.Errorf("prepare the identity service: %w", err)
	}
	k := &Keystone{cfg: cfg, identity: identity, known: lru.New(answersKept), unknown: lru.New(answersKept), now: time.Now}
	provider.ReauthFunc = k.login // a first question without a token is answered 401, as one with an old token is
	return k, nil
}

// Authenticate implements auth.Authenticator. Unauthenticated: Keystone does not know the token (any more). PermissionDenied: it has no
// project. Unavailable: Keystone cannot be asked, and what it said of the token is too old.
func (k *Keystone) Authenticate(r *http.Request) (auth.Identity, error) {
	token := auth.SentToken(r)
	if token == "" {
		return auth.Identity{}, fmt.Errorf("no token: send X-Auth-Token: %w", errdefs.ErrUnauthenticated)
	}
	key := sha256.Sum256([]byte(token)) // no secret in memory longer than its request
	for _, answers := range []*lru.Cache{k.known, k.unknown} {
		if one, ok := answers.Get(key); ok && k.now().Before(one.(answer).until) {
			return one.(answer).id, one.(answer).err
		}
	}
	if err := k.cfg.Questions.Spend(auth.Address(r), "new tokens from this address"); err != nil {
		return auth.Identity{}, err
	}
	// Who asks first does not decide how long the others wait.
	answered := k.asking.DoChan(string(key[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), askTimeout)
		defer cancel()
		return k.ask(ctx, token, key), nil
	})
	select {
	case result := <-answered:
		one := result.Val.(answer)
		return one.id, one.err
	case <-r.Context().Done():
		return auth.Identity{}, fmt.Errorf("ask Keystone: %w", r.Context().Err())
	}
}

// ask asks Keystone, and remembers what it says.
func (k *Keystone) ask(ctx context.Context, token string, key [sha256.Size]byte) answer {
	result := tokens.Get(ctx, k.identity, token)
	one, err := k.read(result)
	switch {
	case gophercloud.ResponseCodeIs(err, http.StatusNotFound): // unknown, expired or revoked
		one.err = fmt.Errorf("keystone does not know the token: %w", errdefs.ErrUnauthenticated)
		one.until = k.now().Add(unknownTTL)
		k.unknown.Add(key, one)
	case err != nil:
		if !k.away.Swap(true) {
			k.cfg.Log.WithField("reason", reason(err)).Error("Keystone cannot be asked for tokens, who is not known from a moment ago is answered 503")
		}
		return answer{err: fmt.Errorf("keystone cannot be asked for the token: %w", errdefs.ErrUnavailable)}
	case one.err != nil:
		k.unknown.Add(key, one)
	default:
		k.known.Add(key, one)
	}
	if k.away.Swap(false) {
		k.cfg.Log.Info("Keystone answers again")
	}
	return one
}

// read turns a good answer of Keystone into ours, which holds for CacheTTL and never longer than the token.
func (k *Keystone) read(result tokens.GetResult) (answer, error) {
	token, err := result.ExtractToken()
	if err != nil {
		return answer{}, err
	}
	user, err1 := result.ExtractUser()
	project, err2 := result.ExtractProject()
	roles, err3 := result.ExtractRoles()
	if err := errors.Join(err1, err2, err3); err != nil {
		return answer{}, err
	}
	now := k.now()
	switch {
	case user == nil || user.ID == "":
		return answer{}, errors.New("the answer names no user")
	case !now.Before(token.ExpiresAt):
		return answer{err: fmt.Errorf("the token has expired: %w", errdefs.ErrUnauthenticated), until: now.Add(unknownTTL)}, nil
	case project == nil || project.ID == "":
		return answer{err: fmt.Errorf("the token is for no project: get one that is scoped to a project: %w", errdefs.ErrPermissionDenied),
			until: now.Add(unknownTTL)}, nil
	}
	id := auth.Identity{User: user.ID, Project: project.ID}
	for _, role := range roles {
		id.Roles = append(id.Roles, role.Name)
	}
	until := now.Add(k.cfg.CacheTTL)
	if token.ExpiresAt.Before(until) {
		until = token.ExpiresAt
	}
	return answer{id: id, until: until}, nil
}

// login gets the service user a new token.
func (k *Keystone) login(ctx context.Context) error {
	password, err := secretfile.Load(k.cfg.PasswordFile)
	if err != nil {
		return err
	}
	provider := k.identity.ProviderClient
	alone := *provider // without a token, and without a way back here
	alone.SetThrowaway(true)
	alone.ReauthFunc = nil
	if err := alone.SetTokenAndAuthResult(nil); err != nil {
		return err
	}
	err = openstack.AuthenticateV3(ctx, &alone, &tokens.AuthOptions{
		Username: k.cfg.Username, DomainName: k.cfg.UserDomain, Password: password,
		Scope: tokens.Scope{ProjectName: k.cfg.Project, DomainName: k.cfg.ProjectDomain},
	}, gophercloud.EndpointOpts{})
	if err != nil {
		return err
	}
	provider.CopyTokenFrom(&alone)
	return nil
}

// reason is an error without bodies: a Keystone may repeat a token in one.
func reason(err error) string {
	login := new(gophercloud.ErrUnableToReauthenticate)
	if errors.As(err, &login) {
		return "the service user cannot log in: " + reason(login.ErrReauth)
	}
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		return fmt.Sprintf("%s %s was answered %d", code.Method, code.URL, code.Actual)
	}
	return err.Error()
}
