package vkclient

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

func TestDeleteLeavesWhatIsKept(t *testing.T) {
	pod := func(name string, uid types.UID) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", UID: uid}}
	}
	client := fake.NewClientset(pod("kept", "1"), pod("lost", "2"))
	var reminded []types.UID
	pods := Pods{client.CoreV1(), informed(t), func(uid types.UID) bool { reminded = append(reminded, uid); return uid == "1" }}.Pods("shop")
	for name, uid := range map[string]types.UID{"kept": "1", "lost": "2"} {
		if err := pods.Delete(t.Context(), name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}); err != nil {
			t.Error(err)
		}
	}
	list, err := client.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 || list.Items[0].Name != "kept" || len(reminded) != 2 {
		t.Errorf("left %+v, reminded of %v, %v", list.Items, reminded, err)
	}
}

// informed is an informer that has these pods.
func informed(t *testing.T, list ...*corev1.Pod) corelisters.PodLister {
	t.Helper()
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, pod := range list {
		if err := indexer.Add(pod); err != nil {
			t.Fatal(err)
		}
	}
	return corelisters.NewPodLister(indexer)
}

// A status goes by itself, to the pod of that UID alone, and against what the API has and not what the informer had.
func TestUpdateStatusPatches(t *testing.T) {
	now := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "1", ResourceVersion: "8", Labels: map[string]string{"new": "label"}}}
	now.Status.Message = "waits"
	old := now.DeepCopy()
	old.ResourceVersion, old.Status.Message = "7", "" // before our last patch
	for _, row := range []struct {
		name string
		seen []*corev1.Pod
		want []string
	}{
		{"the informer has it", []*corev1.Pod{now}, []string{"patch"}},
		{"the informer lags behind", []*corev1.Pod{old}, []string{"patch", "get", "patch"}},
		{"the informer has none", nil, []string{"get", "patch"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := fake.NewClientset(now)
			client.PrependReactor("patch", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
				stale := strings.Contains(string(a.(k8stesting.PatchAction).GetPatch()), `"resourceVersion":"7"`)
				return stale, nil, map[bool]error{true: apierrors.NewConflict(corev1.Resource("pods"), "web", errors.New("modified"))}[stale]
			})
			is := old.DeepCopy()
			is.Labels, is.Status.Phase = nil, corev1.PodRunning // the message is what it was before our last patch
			pods := Pods{PodsGetter: client.CoreV1(), Seen: informed(t, row.seen...)}.Pods("shop")
			if _, err := pods.UpdateStatus(t.Context(), is, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			var did []string
			for _, a := range client.Actions() {
				did = append(did, a.GetVerb())
			}
			if !slices.Equal(did, row.want) {
				t.Errorf("requests %v, want %v", did, row.want)
			}
			got, err := client.CoreV1().Pods("shop").Get(t.Context(), "web", metav1.GetOptions{})
			if err != nil || got.Status.Phase != corev1.PodRunning || got.Status.Message != "" || got.Labels["new"] != "label" {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
	patch, err := statusPatch(metav1.ObjectMeta{UID: "1", ResourceVersion: "7"}, &corev1.PodStatus{}, &corev1.PodStatus{Phase: corev1.PodRunning})
	if want := `{"metadata":{"resourceVersion":"7","uid":"1"},"status":{"phase":"Running"}}`; err != nil || string(patch) != want {
		t.Errorf("%s %v, want %s", patch, err, want)
	}
}

func TestRecorderIsQuiet(t *testing.T) {
	fake := record.NewFakeRecorder(2)
	r := Recorder{fake}
	r.Event(&corev1.Pod{}, corev1.EventTypeNormal, "ProviderCreateSuccess", "m")
	r.Event(&corev1.Pod{}, corev1.EventTypeWarning, "ProviderCreateFailed", "m")
	close(fake.Events)
	var got []string
	for e := range fake.Events {
		got = append(got, e)
	}
	if len(got) != 1 || got[0] != "Warning ProviderCreateFailed m" {
		t.Errorf("%q", got)
	}
}
