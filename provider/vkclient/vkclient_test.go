package vkclient

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
)

func TestDeleteLeavesWhatIsKept(t *testing.T) {
	pod := func(name string, uid types.UID) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", UID: uid}}
	}
	client := fake.NewClientset(pod("kept", "1"), pod("lost", "2"))
	var reminded []types.UID
	pods := Pods{client.CoreV1(), func(uid types.UID) bool { reminded = append(reminded, uid); return uid == "1" }}.Pods("shop")
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

// TestUpdateStatusPatches: a status goes by itself, and to the pod of that UID alone.
func TestUpdateStatusPatches(t *testing.T) {
	now := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "1", Labels: map[string]string{"new": "label"}}}
	client := fake.NewClientset(now)
	old := now.DeepCopy()
	old.Labels, old.Status.Phase = nil, corev1.PodRunning
	pods := Pods{PodsGetter: client.CoreV1()}.Pods("shop")
	if _, err := pods.UpdateStatus(t.Context(), old, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := client.CoreV1().Pods("shop").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || got.Status.Phase != corev1.PodRunning || got.Labels["new"] != "label" {
		t.Errorf("%+v %v", got, err)
	}
	patch, err := statusPatch("1", &corev1.PodStatus{}, &corev1.PodStatus{Phase: corev1.PodRunning})
	if want := `{"metadata":{"uid":"1"},"status":{"phase":"Running"}}`; err != nil || string(patch) != want {
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
