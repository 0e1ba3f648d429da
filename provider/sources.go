package provider

import (
	"context"
	"fmt"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/capsulet/capsulet/translate"
)

// sourceAge is how old a source may be when a pod is made of it: long enough for the pods of one Deployment to share a
// read, short enough for nobody to notice.
const sourceAge = 2 * time.Second

// sources reads what pods refer to. It is safe for concurrent use.
type sources struct {
	client kubernetes.Interface
	// base has what does not depend on the pod; allocatable is asked each time.
	base        translate.Sources
	allocatable func() corev1.ResourceList

	mu    sync.Mutex
	cache map[string]*cached
}

type cached struct {
	once  sync.Once
	at    time.Time
	value any // nil when there is none
	err   error
}

// fetch reads all sources of the pod. What does not exist is left out; translate says whether it is needed.
func (s *sources) fetch(ctx context.Context, pod *corev1.Pod) (translate.Sources, error) {
	src := s.base
	src.Allocatable = s.allocatable()
	src.ConfigMaps, src.Secrets = map[string]*corev1.ConfigMap{}, map[string]*corev1.Secret{}
	src.Tokens = map[translate.Token]string{}
	for _, need := range translate.Needs(pod) {
		if err := s.fetchOne(ctx, pod, need, &src); err != nil {
			return src, err
		}
	}
	return src, nil
}

func (s *sources) fetchOne(ctx context.Context, pod *corev1.Pod, need translate.SourceRef, src *translate.Sources) error {
	core, ns := s.client.CoreV1(), pod.Namespace
	switch need.Kind {
	case translate.SourceConfigMap:
		m, err := read(ctx, s, "configmap "+ns+"/"+need.Name, func(ctx context.Context) (*corev1.ConfigMap, error) {
			return core.ConfigMaps(ns).Get(ctx, need.Name, metav1.GetOptions{})
		})
		if m != nil {
			src.ConfigMaps[need.Name] = m
		}
		return err
	case translate.SourceSecret:
		m, err := read(ctx, s, "secret "+ns+"/"+need.Name, func(ctx context.Context) (*corev1.Secret, error) {
			return core.Secrets(ns).Get(ctx, need.Name, metav1.GetOptions{})
		})
		if m != nil {
			src.Secrets[need.Name] = m
		}
		return err
	case translate.SourceToken:
		token, err := s.token(ctx, pod, need.Token)
		if err == nil {
			src.Tokens[need.Token] = token
		}
		return err
	default:
		return s.services(ctx, ns, src)
	}
}

// services reads the services of the namespace and default/kubernetes.
func (s *sources) services(ctx context.Context, ns string, src *translate.Sources) error {
	list, err := read(ctx, s, "services of "+ns, func(ctx context.Context) (*corev1.ServiceList, error) {
		return s.client.CoreV1().Services(ns).List(ctx, metav1.ListOptions{})
	})
	if err != nil {
		return err
	}
	src.Services = nil
	if list != nil {
		for i := range list.Items {
			src.Services = append(src.Services, &list.Items[i])
		}
	}
	if ns == metav1.NamespaceDefault {
		return nil
	}
	master, err := read(ctx, s, "service default/kubernetes", func(ctx context.Context) (*corev1.Service, error) {
		return s.client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
	})
	if master != nil {
		src.Services = append(src.Services, master)
	}
	return err
}

// token asks for a token of the pod's service account that is bound to the pod.
func (s *sources) token(ctx context.Context, pod *corev1.Pod, t translate.Token) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &t.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	if t.Audience != "" {
		request.Spec.Audiences = []string{t.Audience}
	}
	answer, err := s.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("request a token of service account %s/%s: %w", pod.Namespace, pod.Spec.ServiceAccountName, err)
	}
	return answer.Status.Token, nil
}

// read returns an object, nil when there is none, from the cache if it is fresh. Callers at the same time share one read.
func read[T any](ctx context.Context, s *sources, key string, get func(context.Context) (*T, error)) (*T, error) {
	s.mu.Lock()
	now := time.Now()
	for k, c := range s.cache { // the cache has what was read in the last seconds; walking it is cheap
		if now.Sub(c.at) > sourceAge {
			delete(s.cache, k)
		}
	}
	c, ok := s.cache[key]
	if !ok {
		c = &cached{at: now}
		s.cache[key] = c
	}
	s.mu.Unlock()
	c.once.Do(func() {
		// Shared by several pods: the context of one of them must not end it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
		defer cancel()
		value, err := get(ctx)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			c.err = fmt.Errorf("read %s: %w", key, err)
		default:
			c.value = value
		}
	})
	if c.value == nil {
		return nil, c.err
	}
	return c.value.(*T), c.err
}
