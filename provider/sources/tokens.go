package sources

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/capsulet/capsulet/translate"
)

// A token is asked for anew when four fifths of its life are over or it is a day old (kubelet: token/token_manager.go).
const (
	tokenMaxAge = 24 * time.Hour
	tokenJitter = 10 * time.Second
	tokenRetry  = 30 * time.Second
	tokenLook   = 5 * time.Second
)

// tokens holds the service account tokens of the pods of this node. It is safe for concurrent use.
type tokens struct {
	client kubernetes.Interface
	log    *logrus.Entry
	// changed is called for each pod that has a token to renew.
	changed func(types.UID)
	now     func() time.Time

	mu   sync.Mutex
	held map[tokenKey]*token
}

type tokenKey struct {
	pod types.UID
	translate.Token
}

type token struct {
	value               string
	expires, renewAfter time.Time
	due                 bool // to be renewed by the next who asks
}

func newTokens(client kubernetes.Interface, log *logrus.Entry, changed func(types.UID)) *tokens {
	return &tokens{client: client, log: log, changed: changed, now: time.Now, held: map[tokenKey]*token{}}
}

// Run wakes the pods whose tokens are due until ctx ends.
func (t *tokens) Run(ctx context.Context) error {
	tick := time.NewTicker(tokenLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			t.look()
		}
	}
}

func (t *tokens) look() {
	now, due := t.now(), map[types.UID]bool{}
	t.mu.Lock()
	for k, held := range t.held {
		if now.After(held.renewAfter) {
			due[k.pod], held.due = true, true
			held.renewAfter = now.Add(tokenRetry) // should this time fail
		}
	}
	t.mu.Unlock()
	for uid := range due {
		t.changed(uid)
	}
}

// get returns a token of the pod's service account that is bound to the pod: the one that is held, unless its time has
// come. When there is no new one, the old one is as good as long as it is valid.
func (t *tokens) get(ctx context.Context, pod *corev1.Pod, want translate.Token) (token, error) {
	k := tokenKey{pod.UID, want}
	t.mu.Lock()
	var old token
	held := t.held[k]
	if held != nil {
		old = *held
	}
	t.mu.Unlock()
	if held != nil && !old.due {
		return old, nil
	}
	fresh, err := t.request(ctx, pod, want)
	if err != nil {
		if held != nil && t.now().Before(old.expires) {
			t.log.WithError(err).WithFields(logrus.Fields{"namespace": pod.Namespace, "pod": pod.Name}).
				Warn("cannot renew a service account token, the old one is still valid")
			return old, nil
		}
		return token{}, err
	}
	t.mu.Lock()
	t.held[k] = fresh
	t.mu.Unlock()
	return *fresh, nil
}

// drop forgets the tokens of a pod.
func (t *tokens) drop(pod types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.held {
		if k.pod == pod {
			delete(t.held, k)
		}
	}
}

func (t *tokens) request(ctx context.Context, pod *corev1.Pod, want translate.Token) (*token, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &want.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	if want.Audience != "" {
		request.Spec.Audiences = []string{want.Audience}
	}
	now := t.now()
	answer, err := t.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("request a token of service account %s/%s: %w", pod.Namespace, pod.Spec.ServiceAccountName, err)
	}
	life := time.Duration(want.ExpirationSeconds) * time.Second
	if until := answer.Status.ExpirationTimestamp.Time; !until.IsZero() {
		life = until.Sub(now)
	}
	age := min(life*4/5, tokenMaxAge)
	age -= min(rand.N(tokenJitter), age/10) //nolint:gosec // that pods of one moment do not come together again
	return &token{value: answer.Status.Token, expires: now.Add(life), renewAfter: now.Add(age)}, nil
}
