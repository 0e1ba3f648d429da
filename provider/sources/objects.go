package sources

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/capsulet/capsulet/translate"
)

// objectKey names an object of one of the kinds.
type objectKey struct {
	kind            translate.SourceKind
	namespace, name string
}

// objects watches the ConfigMaps, Secrets, claims and volumes that pods of this node use, each by itself and only while one of them does
// (kubelet: util/manager/watch_based_manager.go). It is safe for concurrent use.
type objects struct {
	client kubernetes.Interface
	// changed is called, under no lock, for each pod that uses an object that changed.
	changed func(types.UID)
	start   chan *watched

	mu    sync.Mutex
	byKey map[objectKey]*watched
	byPod map[types.UID][]objectKey
}

// watched is one object. Its fields are guarded by objects.mu; the object is never changed.
type watched struct {
	key   objectKey
	users map[types.UID]bool
	stop  chan struct{}
	once  sync.Once // closes stop
	// looked is closed when the API server has answered for the first time.
	looked chan struct{}
	synced bool
	object metav1.Object // nil when there is none
	err    error         // why it is not synced
}

func newObjects(client kubernetes.Interface, changed func(types.UID)) *objects {
	return &objects{client: client, changed: changed, start: make(chan *watched), byKey: map[objectKey]*watched{},
		byPod: map[types.UID][]objectKey{}}
}

// Run owns the watches until ctx ends.
func (o *objects) Run(ctx context.Context) error {
	var watches sync.WaitGroup
	defer watches.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-o.start:
			watches.Go(func() {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				watches.Go(func() {
					select {
					case <-w.stop:
						cancel()
					case <-ctx.Done():
					}
				})
				o.follow(ctx, w)
			})
		}
	}
}

// use makes keys the objects that the pod uses; what it used before and nobody else does is watched no longer.
func (o *objects) use(ctx context.Context, pod types.UID, keys []objectKey) {
	var fresh []*watched
	o.mu.Lock()
	for _, k := range o.byPod[pod] {
		if w := o.byKey[k]; w != nil && !slices.Contains(keys, k) {
			o.leave(pod, w)
		}
	}
	for _, k := range keys {
		w := o.byKey[k]
		if w == nil {
			w = &watched{key: k, users: map[types.UID]bool{}, stop: make(chan struct{}), looked: make(chan struct{})}
			o.byKey[k] = w
			fresh = append(fresh, w)
		}
		w.users[pod] = true
	}
	if o.byPod[pod] = keys; len(keys) == 0 {
		delete(o.byPod, pod)
	}
	o.mu.Unlock()
	for _, w := range fresh {
		select {
		case o.start <- w:
		case <-ctx.Done():
			o.forget(w) // the next one tries again
		}
	}
}

// volumesOf are the persistent volumes that the pod uses.
func (o *objects) volumesOf(pod types.UID) []objectKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	var keys []objectKey
	for _, k := range o.byPod[pod] {
		if k.kind == translate.SourceVolume {
			keys = append(keys, k)
		}
	}
	return keys
}

// leave: the pod does not use the object any more. The lock is held.
func (o *objects) leave(pod types.UID, w *watched) {
	if delete(w.users, pod); len(w.users) == 0 {
		delete(o.byKey, w.key)
		w.once.Do(func() { close(w.stop) })
	}
}

func (o *objects) forget(w *watched) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKey[w.key] == w {
		delete(o.byKey, w.key)
	}
}

// get returns an object that a pod uses, nil when there is none. It waits until the API server has answered once.
func (o *objects) get(ctx context.Context, k objectKey) (metav1.Object, error) {
	o.mu.Lock()
	w := o.byKey[k]
	o.mu.Unlock()
	if w == nil {
		return nil, fmt.Errorf("read %s %s/%s: nobody watches it", k.kind, k.namespace, k.name)
	}
	select {
	case <-w.looked:
	case <-ctx.Done():
		return nil, fmt.Errorf("read %s %s/%s: %w", k.kind, k.namespace, k.name, ctx.Err())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !w.synced {
		return nil, fmt.Errorf("read %s %s/%s: %w", k.kind, k.namespace, k.name, w.err)
	}
	return w.object, nil
}

// follow keeps w as the API server has it.
func (o *objects) follow(ctx context.Context, w *watched) {
	one := fields.OneTermEqualSelector("metadata.name", w.key.name).String()
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = one
			list, err := kinds[w.key.kind].client(o.client, w.key.namespace).List(ctx, options)
			o.failed(w, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = one
			events, err := kinds[w.key.kind].client(o.client, w.key.namespace).Watch(ctx, options)
			o.failed(w, err)
			return events, err
		},
	}
	cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(lw, o.client), kinds[w.key.kind].object, objectStore{o, w},
		cache.ReflectorOptions{Name: "capsulet-sources"}).RunWithContext(ctx)
}

// lister is what every typed client of a kind can do.
type lister[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// kinds are what is watched object by object.
var kinds = map[translate.SourceKind]struct {
	object runtime.Object
	client func(c kubernetes.Interface, namespace string) lister[runtime.Object]
}{
	translate.SourceConfigMap: {&corev1.ConfigMap{}, func(c kubernetes.Interface, ns string) lister[runtime.Object] {
		return untyped[*corev1.ConfigMapList]{c.CoreV1().ConfigMaps(ns)}
	}},
	translate.SourceSecret: {&corev1.Secret{}, func(c kubernetes.Interface, ns string) lister[runtime.Object] {
		return untyped[*corev1.SecretList]{c.CoreV1().Secrets(ns)}
	}},
	translate.SourceClaim: {&corev1.PersistentVolumeClaim{}, func(c kubernetes.Interface, ns string) lister[runtime.Object] {
		return untyped[*corev1.PersistentVolumeClaimList]{c.CoreV1().PersistentVolumeClaims(ns)}
	}},
	translate.SourceVolume: {&corev1.PersistentVolume{}, func(c kubernetes.Interface, _ string) lister[runtime.Object] {
		return untyped[*corev1.PersistentVolumeList]{c.CoreV1().PersistentVolumes()}
	}},
}

// untyped forgets the type of a list.
type untyped[L runtime.Object] struct{ lister[L] }

// List implements lister.
func (u untyped[L]) List(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	return u.lister.List(ctx, options)
}

// failed remembers why the first answer is none. Later failures change nothing: what was last seen counts.
func (o *objects) failed(w *watched, err error) {
	if err == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w.err = err
	w.answered()
}

func (w *watched) answered() {
	select {
	case <-w.looked:
	default:
		close(w.looked)
	}
}

// seen takes over what the API server has; nil for nothing.
func (o *objects) seen(w *watched, object metav1.Object) {
	o.mu.Lock()
	known, failed := w.synced, w.err != nil
	same := known && equality.Semantic.DeepEqual(w.object, object)
	w.synced, w.err, w.object = true, nil, object
	w.answered()
	if immutable(object) {
		w.once.Do(func() { close(w.stop) }) // it cannot change; made anew, it is for pods to come
	}
	var users []types.UID
	if !same && (known || failed) { // without either, those who use it wait for it
		users = slices.Collect(maps.Keys(w.users))
	}
	o.mu.Unlock()
	for _, uid := range users {
		o.changed(uid)
	}
}

func immutable(object metav1.Object) bool {
	switch object := object.(type) {
	case *corev1.ConfigMap:
		return object.Immutable != nil && *object.Immutable
	case *corev1.Secret:
		return object.Immutable != nil && *object.Immutable
	}
	return false
}

// objectStore is what the reflector of one object writes to.
type objectStore struct {
	o *objects
	w *watched
}

// mine says whether obj is the object: an API server that knows field selectors sends no other.
func (s objectStore) mine(obj any) (metav1.Object, bool) {
	object, ok := obj.(metav1.Object)
	if !ok || object.GetName() != s.w.key.name {
		return nil, false
	}
	object.SetManagedFields(nil)
	return object, true
}

// Add implements cache.ReflectorStore.
func (s objectStore) Add(obj any) error {
	if object, ok := s.mine(obj); ok {
		s.o.seen(s.w, object)
	}
	return nil
}

// Update implements cache.ReflectorStore.
func (s objectStore) Update(obj any) error { return s.Add(obj) }

// Delete implements cache.ReflectorStore.
func (s objectStore) Delete(obj any) error {
	if _, ok := s.mine(obj); ok {
		s.o.seen(s.w, nil)
	}
	return nil
}

// Replace implements cache.ReflectorStore.
func (s objectStore) Replace(list []any, _ string) error {
	for _, obj := range list {
		if object, ok := s.mine(obj); ok {
			s.o.seen(s.w, object)
			return nil
		}
	}
	s.o.seen(s.w, nil)
	return nil
}

// Resync implements cache.ReflectorStore.
func (s objectStore) Resync() error { return nil }
