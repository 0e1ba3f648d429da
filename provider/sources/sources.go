package sources

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/capsulet/capsulet/translate"
)

// sourceAge is how old a list of services may be when a pod is made of it: long enough for the pods of one Deployment to
// share a read, short enough for nobody to notice.
const sourceAge = 2 * time.Second

// apiTimeout ends every request to the API server.
const apiTimeout = 15 * time.Second

// Config is what sources are made of.
type Config struct {
	Client kubernetes.Interface
	// Base has what does not depend on the pod.
	Base translate.Sources
	// Allocatable is asked each time what pods may use of the node.
	Allocatable func() corev1.ResourceList
	// Changed is called, under no lock, for each pod of which a source changed or is to be renewed.
	Changed func(types.UID)
	Log     *logrus.Entry
}

// Sources knows what pods refer to. It is safe for concurrent use.
type Sources struct {
	cfg     Config
	objects *objects
	tokens  *tokens
	trusts  trusting

	mu    sync.Mutex
	cache map[string]*cached
}

// New makes sources. Nothing is watched before [Sources.Run].
func New(cfg Config) *Sources {
	return &Sources{cfg: cfg, objects: newObjects(cfg.Client, cfg.Changed), tokens: newTokens(cfg.Client, cfg.Log, cfg.Changed),
		cache: map[string]*cached{}, trusts: trusting{pods: map[types.UID]bool{}}}
}

type cached struct {
	once  sync.Once
	at    time.Time
	value any // nil when there is none
	err   error
}

// Run watches what pods use until ctx ends.
func (s *Sources) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.objects.Run(ctx) })
	group.Go(func() error { return s.tokens.Run(ctx) })
	group.Go(func() error { return s.trusts.run(ctx, s.cfg.Changed) })
	return group.Wait()
}

// Release says that the pod needs nothing any more.
func (s *Sources) Release(ctx context.Context, pod types.UID) {
	s.objects.use(ctx, pod, nil)
	s.tokens.drop(pod)
	s.trusts.use(pod, false)
}

// Fetch returns all sources of the pod, and a mark of each but the services: the marks are others when a source is another,
// and tell nothing of a secret. What does not exist is left out; translate says whether it is needed. From now on the pod
// is woken when one of them changes.
func (s *Sources) Fetch(ctx context.Context, pod *corev1.Pod) (src translate.Sources, marks []string, err error) {
	src = s.cfg.Base
	src.Allocatable = s.cfg.Allocatable()
	src.ConfigMaps, src.Secrets = map[string]*corev1.ConfigMap{}, map[string]*corev1.Secret{}
	src.Claims, src.Volumes = map[string]*corev1.PersistentVolumeClaim{}, map[string]*corev1.PersistentVolume{}
	src.Tokens, src.TrustBundles = map[translate.Token]string{}, map[translate.TrustBundle][]string{}
	needs := translate.Needs(pod)
	var keys []objectKey
	for _, need := range needs {
		if _, ok := kinds[need.Kind]; ok {
			keys = append(keys, objectKey{need.Kind, pod.Namespace, need.Name})
		}
	}
	s.trusts.use(pod.UID, slices.ContainsFunc(needs, func(n translate.SourceRef) bool { return n.Kind == translate.SourceTrust }))
	s.objects.use(ctx, pod.UID, slices.Concat(keys, s.objects.volumesOf(pod.UID)))
	for _, need := range needs {
		mark, err := s.fetchOne(ctx, pod, need, &src)
		if err != nil {
			return src, nil, err
		}
		marks = append(marks, mark)
	}
	return src, marks, s.fetchVolumes(ctx, pod, keys, &src)
}

// fetchVolumes fetches what the claims are bound to, which is known only when they are. Neither leaves a mark: what a claim
// is bound to does not change.
func (s *Sources) fetchVolumes(ctx context.Context, pod *corev1.Pod, keys []objectKey, src *translate.Sources) error {
	var volumes []translate.SourceRef
	for _, name := range slices.Sorted(maps.Keys(src.Claims)) {
		if bound := src.Claims[name].Spec.VolumeName; bound != "" {
			volumes = append(volumes, translate.SourceRef{Kind: translate.SourceVolume, Name: bound})
			keys = append(keys, objectKey{kind: translate.SourceVolume, name: bound})
		}
	}
	s.objects.use(ctx, pod.UID, keys)
	for _, v := range volumes {
		if _, err := s.fetchOne(ctx, pod, v, src); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sources) fetchOne(ctx context.Context, pod *corev1.Pod, need translate.SourceRef, src *translate.Sources) (mark string, err error) {
	switch need.Kind {
	case translate.SourceConfigMap, translate.SourceSecret, translate.SourceClaim, translate.SourceVolume:
		wait, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		key := objectKey{need.Kind, pod.Namespace, need.Name}
		if need.Kind == translate.SourceVolume {
			key.namespace = ""
		}
		object, err := s.objects.get(wait, key)
		if object == nil || err != nil {
			return fmt.Sprint(need.Kind, " ", need.Name), err
		}
		switch object := object.(type) {
		case *corev1.ConfigMap:
			src.ConfigMaps[need.Name] = object
		case *corev1.Secret:
			src.Secrets[need.Name] = object
		case *corev1.PersistentVolumeClaim:
			src.Claims[need.Name] = object
			return "", nil
		case *corev1.PersistentVolume:
			src.Volumes[need.Name] = object
			return "", nil
		}
		return fmt.Sprint(need.Kind, " ", need.Name, " ", object.GetUID(), " ", object.GetResourceVersion()), nil
	case translate.SourceToken:
		token, err := s.tokens.get(ctx, pod, need.Token)
		if apierrors.IsNotFound(err) { // of its service account
			return fmt.Sprint(need.Kind, " ", need.Token), nil
		}
		if err == nil {
			src.Tokens[need.Token] = token.value
		}
		return fmt.Sprint(need.Kind, " ", need.Token, " ", token.expires.UnixNano()), err
	case translate.SourceTrust:
		return s.trust(ctx, need.Bundle, src)
	case translate.SourceRuntime:
		return "", s.runtimeClass(ctx, need.Name, src)
	default:
		return "", s.services(ctx, pod.Namespace, src)
	}
}

// runtimeClass reads the handler of a runtime class.
func (s *Sources) runtimeClass(ctx context.Context, name string, src *translate.Sources) error {
	class, err := read(ctx, s, "runtimeclass "+name, func(ctx context.Context) (*nodev1.RuntimeClass, error) {
		return s.cfg.Client.NodeV1().RuntimeClasses().Get(ctx, name, metav1.GetOptions{})
	})
	if class != nil {
		src.RuntimeHandlers = map[string]string{name: class.Handler}
	}
	return err
}

// services reads the services of the namespace and default/kubernetes.
func (s *Sources) services(ctx context.Context, ns string, src *translate.Sources) error {
	list, err := read(ctx, s, "services of "+ns, func(ctx context.Context) (*corev1.ServiceList, error) {
		return s.cfg.Client.CoreV1().Services(ns).List(ctx, metav1.ListOptions{})
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
		return s.cfg.Client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
	})
	if master != nil {
		src.Services = append(src.Services, master)
	}
	return err
}

// read returns an object, nil when there is none, from the cache if it is fresh. Callers at the same time share one read.
func read[T any](ctx context.Context, s *Sources, key string, get func(context.Context) (*T, error)) (*T, error) {
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
