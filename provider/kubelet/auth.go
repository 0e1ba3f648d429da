package kubelet

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"
)

// How long answers of the API server are believed (kubelet: KubeletConfiguration, authentication and authorization).
const (
	tokenTTL  = 2 * time.Minute
	allowTTL  = 5 * time.Minute
	denyTTL   = 30 * time.Second
	caRefresh = time.Minute
)

// gate lets in who the API server knows and allows: authentication by client certificate or TokenReview, authorization by
// SubjectAccessReview on the node.
type gate struct {
	client  kubernetes.Interface
	node    string
	caFile  string
	log     *logrus.Entry
	answers *answers
	limits  *limits
	cas     atomic.Pointer[x509.CertPool]
}

// answers caches what the API server said.
type answers struct {
	users, access *utilcache.Expiring
	budgets       budgets
}

func newAnswers() *answers {
	return &answers{utilcache.NewExpiring(), utilcache.NewExpiring(), budgets{utilcache.NewExpiring()}}
}

// caller is who asks.
type caller struct {
	name, uid string
	groups    []string
	extra     map[string]authorizationv1.ExtraValue
}

// Run keeps the authority of client certificates up to date.
func (g *gate) Run(ctx context.Context) error {
	tick := time.NewTicker(caRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := g.loadCA(ctx); err != nil {
				g.log.WithError(err).Debug("client CA not read again, the last one stays")
			}
		}
	}
}

// loadCA reads the authority of client certificates from the file or the cluster.
func (g *gate) loadCA(ctx context.Context) error {
	var pem []byte
	if g.caFile != "" {
		data, err := os.ReadFile(g.caFile)
		if err != nil {
			return fmt.Errorf("read client CA: %w", err)
		}
		pem = data
	} else {
		ctx, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		m, err := g.client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("read the cluster's client CA: %w", err)
		}
		pem = []byte(m.Data["client-ca-file"])
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("the client CA has no certificate")
	}
	g.cas.Store(pool)
	return nil
}

// guard answers 401 and 403 before next is asked.
func (g *gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := g.authenticate(r)
		if errors.Is(err, errBusy) {
			tooMany(w, err)
			return
		}
		if err != nil {
			g.log.WithError(err).Warn("kubelet endpoint could not authenticate a request")
		}
		if who == nil {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		if !g.answers.budgets.spend(ofUser("requests", who.name), g.limits.requests, g.limits.requestsBurst) {
			tooMany(w, errBusyUser)
			return
		}
		allowed, what, err := g.authorize(r, who)
		switch {
		case errors.Is(err, errBusy):
			tooMany(w, err)
		case err != nil:
			g.log.WithError(err).Warn("kubelet endpoint could not authorize a request")
			http.Error(w, "Authorization error", http.StatusInternalServerError)
		case !allowed:
			http.Error(w, fmt.Sprintf("Forbidden (user=%s, %s)", who.name, what), http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func tooMany(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, err.Error(), http.StatusTooManyRequests)
}

// authenticate returns nil for a stranger.
func (g *gate) authenticate(r *http.Request) (*caller, error) {
	if who := g.byCertificate(r); who != nil {
		return who, nil
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token = strings.TrimSpace(token); !ok || token == "" {
		return nil, nil
	}
	key := sha256.Sum256([]byte(token)) // no secret in memory longer than its request
	if known, ok := g.answers.users.Get(key); ok {
		return known.(*caller), nil
	}
	if !g.answers.budgets.spend(ofAddress(r), g.limits.reviews, g.limits.reviewsBurst) {
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiTimeout)
	defer cancel()
	review, err := g.client.AuthenticationV1().TokenReviews().Create(ctx,
		&authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("review a token: %w", err)
	}
	var who *caller
	ttl := denyTTL
	if review.Status.Authenticated {
		u := review.Status.User
		who, ttl = &caller{name: u.Username, uid: u.UID, groups: u.Groups, extra: map[string]authorizationv1.ExtraValue{}}, tokenTTL
		for k, v := range u.Extra {
			who.extra[k] = authorizationv1.ExtraValue(v)
		}
	}
	g.answers.users.Set(key, who, ttl)
	return who, nil
}

// byCertificate returns who a client certificate of the cluster's authority names.
func (g *gate) byCertificate(r *http.Request) *caller {
	pool := g.cas.Load()
	if pool == nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	leaf, between := r.TLS.PeerCertificates[0], x509.NewCertPool()
	for _, c := range r.TLS.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil || leaf.Subject.CommonName == "" {
		return nil // a certificate of somebody else: a token may still come with it
	}
	return &caller{name: leaf.Subject.CommonName, groups: append([]string{"system:authenticated"}, leaf.Subject.Organization...)}
}

// authorize asks for each subresource that stands for the path until one is allowed.
func (g *gate) authorize(r *http.Request, who *caller) (allowed bool, what string, err error) {
	verb := map[string]string{http.MethodPost: "create", http.MethodGet: "get", http.MethodHead: "get", http.MethodPut: "update",
		http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	if slices.ContainsFunc(sessionPaths, func(p string) bool { return strings.HasPrefix(r.URL.Path, p) }) {
		verb = "create"
	}
	subresources := subresourcesOf(r.URL.Path)
	for _, sub := range subresources {
		if allowed, err = g.allows(r, who, verb, sub); allowed || err != nil {
			return allowed, "", err
		}
	}
	return false, fmt.Sprintf("verb=%s, resource=nodes, subresource(s)=%v", verb, subresources), nil
}

func (g *gate) allows(r *http.Request, who *caller, verb, subresource string) (bool, error) {
	key := strings.Join(append([]string{who.name, who.uid, verb, subresource, fmt.Sprint(who.extra)}, who.groups...), "\x00")
	if known, ok := g.answers.access.Get(key); ok {
		return known.(bool), nil
	}
	if !g.answers.budgets.spend(ofUser("reviews", who.name), g.limits.reviews, g.limits.reviewsBurst) {
		return false, errBusy
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiTimeout)
	defer cancel()
	review, err := g.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{User: who.name, UID: who.uid, Groups: who.groups, Extra: who.extra,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Version: "v1", Resource: "nodes",
				Subresource: subresource, Name: g.node}}}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("review access of %s: %w", who.name, err)
	}
	allowed, ttl := review.Status.Allowed && !review.Status.Denied, denyTTL
	if allowed {
		ttl = allowTTL
	}
	g.answers.access.Set(key, allowed, ttl)
	return allowed, nil
}

// subresourcesOf is the kubelet's table (pkg/kubelet/server/auth.go), finest first.
func subresourcesOf(path string) []string {
	for _, row := range []struct {
		prefix       string
		subresources []string
	}{
		{"/pods", []string{"pods", "proxy"}},
		{"/runningpods", []string{"pods", "proxy"}},
		{"/healthz", []string{"healthz", "proxy"}},
		{"/configz", []string{"configz", "proxy"}},
		{"/stats", []string{"stats"}},
		{"/metrics", []string{"metrics"}},
		{"/logs", []string{"log"}},
		{"/checkpoint", []string{"checkpoint"}},
		{"/statusz", []string{"statusz"}},
		{"/flagz", []string{"configz"}},
	} {
		if path == row.prefix || strings.HasPrefix(path, row.prefix+"/") {
			return row.subresources
		}
	}
	return []string{"proxy"}
}
