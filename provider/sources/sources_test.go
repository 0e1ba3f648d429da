package sources

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/capsulet/capsulet/translate"
)

const testTimeout = 10 * time.Second

func configMap(value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "conf", Namespace: "shop"}, Data: map[string]string{"k": value}}
}

func TestObjectsAreWatchedWhileUsed(t *testing.T) {
	client := fake.NewClientset(configMap("one"))
	var mu sync.Mutex
	denied := true
	client.PrependReactor("list", "secrets", func(k8stesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		if denied {
			return true, nil, errors.New("forbidden")
		}
		return false, nil, nil
	})
	woken := make(chan types.UID, 100)
	o := newObjects(client, func(uid types.UID) { woken <- uid })
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	stopped := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { stopped <- o.Run(running) }()
	defer cancel()
	conf, hush := objectKey{translate.SourceConfigMap, "shop", "conf"}, objectKey{translate.SourceSecret, "shop", "hush"}
	o.use(ctx, "a", []objectKey{conf, hush})
	o.use(ctx, "b", []objectKey{conf})
	if got, err := o.get(ctx, conf); err != nil || got.(*corev1.ConfigMap).Data["k"] != "one" {
		t.Errorf("%v %v", got, err)
	}
	if _, err := o.get(ctx, hush); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("denied: %v", err)
	}
	mu.Lock()
	denied = false
	mu.Unlock()
	if uid := <-woken; uid != "a" {
		t.Errorf("%s was woken", uid)
	}
	if got, err := o.get(ctx, hush); err != nil || got != nil {
		t.Errorf("what does not exist: %v %v", got, err)
	}
	o.use(ctx, "a", nil)
	if _, err := o.get(ctx, hush); err == nil {
		t.Error("it is still watched")
	}
	if _, err := o.get(ctx, conf); err != nil {
		t.Errorf("another pod uses it: %v", err)
	}
	o.use(ctx, "b", nil)
	if len(o.byKey)+len(o.byPod) != 0 {
		t.Errorf("left: %v %v", o.byKey, o.byPod)
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A claim leads to its volume, which is watched from then on, and no longer than the pod uses the claim.
func TestClaimLeadsToItsVolume(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "shop"}}
	client := fake.NewClientset(claim)
	woken := make(chan types.UID, 100)
	s := New(Config{Client: client, Allocatable: func() corev1.ResourceList { return nil },
		Changed: func(uid types.UID) { woken <- uid }, Log: logrus.NewEntry(logrus.New())})
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	stopped := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { stopped <- s.Run(running) }()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "u"}, Spec: corev1.PodSpec{Volumes: []corev1.Volume{
		{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}}}
	fetch := func() translate.Sources {
		t.Helper()
		src, _, err := s.Fetch(ctx, pod)
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	if src := fetch(); len(src.Claims) != 1 || len(src.Volumes) != 0 {
		t.Errorf("unbound: %v %v", src.Claims, src.Volumes)
	}
	// A change between the list and the watch is lost on this client, unlike on an API server: change until it is seen.
	change := func(what string, do func(round string) error, seen func(translate.Sources) bool) {
		t.Helper()
		for i := 0; ; i++ {
			if err := do(strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
			select {
			case uid := <-woken:
				if uid != "u" {
					t.Errorf("%s was woken", uid)
				}
				if seen(fetch()) {
					return
				}
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("nobody is woken when %s", what)
			}
		}
	}
	change("the claim is bound", func(round string) error {
		claim.Spec.VolumeName, claim.Labels = "disk", map[string]string{"round": round}
		_, err := client.CoreV1().PersistentVolumeClaims("shop").Update(ctx, claim, metav1.UpdateOptions{})
		return err
	}, func(src translate.Sources) bool {
		return src.Claims["data"].Spec.VolumeName == "disk" && len(src.Volumes) == 0
	})
	change("the volume comes", func(round string) error {
		pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "disk", Labels: map[string]string{"round": round}}}
		if round == "0" {
			_, err := client.CoreV1().PersistentVolumes().Create(ctx, pv, metav1.CreateOptions{})
			return err
		}
		_, err := client.CoreV1().PersistentVolumes().Update(ctx, pv, metav1.UpdateOptions{})
		return err
	}, func(src translate.Sources) bool { return src.Volumes["disk"] != nil })
	s.Release(ctx, "u")
	if len(s.objects.byKey)+len(s.objects.byPod) != 0 {
		t.Errorf("left: %v", s.objects.byKey)
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A cluster that does not serve trust bundles has none; what matches makes the mark.
func TestTrustBundles(t *testing.T) {
	bundle := func(name, signer string) *certificatesv1beta1.ClusterTrustBundle {
		return &certificatesv1beta1.ClusterTrustBundle{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "7", Labels: map[string]string{"a": "b"}},
			Spec: certificatesv1beta1.ClusterTrustBundleSpec{SignerName: signer, TrustBundle: "PEM of " + name}}
	}
	s := New(Config{Client: fake.NewClientset(bundle("one", "x"), bundle("two", "y")), Log: logrus.NewEntry(logrus.New())})
	for _, row := range []struct {
		want, mark string
		b          translate.TrustBundle
	}{
		{"PEM of one", "ClusterTrustBundle one 7", translate.TrustBundle{Name: "one"}},
		{"", "ClusterTrustBundle", translate.TrustBundle{Name: "none"}},
		{"PEM of two", "ClusterTrustBundle two 7", translate.TrustBundle{Signer: "y", Selector: "a=b"}},
		{"", "ClusterTrustBundle", translate.TrustBundle{Signer: "y", Selector: "a=c"}},
	} {
		src := translate.Sources{TrustBundles: map[translate.TrustBundle][]string{}}
		mark, err := s.trust(t.Context(), row.b, &src)
		if got := strings.Join(src.TrustBundles[row.b], " "); err != nil || got != row.want || mark != row.mark {
			t.Errorf("%+v: %q %q %v", row.b, got, mark, err)
		}
	}
	client := fake.NewClientset()
	client.PrependReactor("*", "clustertrustbundles", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewNotFound(schema.GroupResource{}, "")
	})
	s = New(Config{Client: client, Log: logrus.NewEntry(logrus.New())})
	for _, b := range []translate.TrustBundle{{Name: "one"}, {Signer: "y"}} {
		if mark, err := s.trust(t.Context(), b, &translate.Sources{}); err != nil || mark != "ClusterTrustBundle" {
			t.Errorf("not served: %q %v", mark, err)
		}
	}
}

func TestTokensAreRenewed(t *testing.T) {
	client := fake.NewClientset()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	asked, fails := 0, false
	client.PrependReactor("create", "serviceaccounts", func(a k8stesting.Action) (bool, runtime.Object, error) {
		request := a.(k8stesting.CreateAction).GetObject().(*authenticationv1.TokenRequest).DeepCopy()
		if fails {
			return true, nil, errors.New("no")
		}
		if r := request.Spec.BoundObjectRef; r.UID != "u" || r.Name != "web" || r.Kind != "Pod" || request.Spec.Audiences[0] != "them" {
			t.Errorf("asked for %+v", request.Spec)
		}
		asked++
		request.Status.Token = strings.Repeat("t", asked)
		request.Status.ExpirationTimestamp = metav1.NewTime(now.Add(time.Duration(*request.Spec.ExpirationSeconds) * time.Second))
		return true, request, nil
	})
	var woken []types.UID
	tokens := newTokens(client, logrus.NewEntry(logrus.New()), func(uid types.UID) { woken = append(woken, uid) })
	tokens.log.Logger.SetOutput(t.Output())
	tokens.now = func() time.Time { return now }
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "u"}, Spec: corev1.PodSpec{ServiceAccountName: "sa"}}
	for _, row := range []struct {
		after time.Duration
		fails bool
		want  string
		woken int
		ok    bool
	}{
		{0, false, "t", 0, true},
		{40 * time.Minute, false, "t", 0, true},
		{9 * time.Minute, true, "t", 1, true}, // 49 minutes of 60: due, and it fails
		{10 * time.Second, true, "t", 0, true},
		{time.Minute, false, "tt", 1, true},
		{2 * time.Hour, true, "", 1, false}, // the old one is of no use any more
		{time.Minute, false, "ttt", 1, true},
	} {
		now, fails, woken = now.Add(row.after), row.fails, nil
		tokens.look()
		got, err := tokens.get(t.Context(), pod, translate.Token{Audience: "them", ExpirationSeconds: 3600})
		if got.value != row.want || len(woken) != row.woken || (err == nil) != row.ok {
			t.Errorf("%s later: %q %v, %d woken; want %+v", row.after, got.value, err, len(woken), row)
		}
	}
	day := translate.Token{Audience: "them", ExpirationSeconds: 7 * 24 * 3600}
	if got, err := tokens.get(t.Context(), pod, day); err != nil || got.renewAfter.Sub(now) > 24*time.Hour {
		t.Errorf("a week's token is renewed after %s (%v)", got.renewAfter.Sub(now), err)
	}
	tokens.drop("u")
	if len(tokens.held) != 0 {
		t.Error("they are still held")
	}
}
