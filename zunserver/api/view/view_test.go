package view_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

var at = time.Date(2026, 11, 20, 17, 25, 15, 16542000, time.UTC)

// recorded is the capsule of the recordings.
func recorded() *capsule.Capsule {
	return &capsule.Capsule{
		UUID: "7899c697-46cc-40de-83f2-7bcb4e28e55b", Project: "e607bd220014402b8ecb794f9fa96be2", User: "eb0783f8ff204428b9b005028c35b95f",
		CreatedAt: at, Claim: capsule.Claim{Host: "vm", At: at.Add(time.Second)},
		Facts: capsule.Facts{Failure: &capsule.Failure{BackingOff: true,
			Message: "Cannot download image from docker: Error on pulling image: kubernetes/pause:latest"}},
		Spec: capsule.Spec{
			Name: "cap1", Labels: map[string]string{"app": "web"}, RestartPolicy: capsule.RestartAlways,
			Containers: []capsule.ContainerSpec{{
				UUID: "3fcae144-3815-46a1-8dea-93c3b95fbc50", Name: "capsule-cap1-iota-11", Image: "busybox",
				ImagePullPolicy: corev1.PullAlways, Command: []string{"sleep"}, Args: []string{"100000"},
				Env: []capsule.EnvVar{{Name: "A", Value: "b"}},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					"cpu": resource.MustParse("100m"), "memory": resource.MustParse("64Mi")}},
			}},
		},
	}
}

func fixture(t *testing.T, name string) map[string]any {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func asJSON(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// The same capsule looks as Zun showed it, key by key and value by value.
func TestCapsuleIsAsRecorded(t *testing.T) {
	for name, old := range map[string]bool{"capsule-1.31.json": true, "capsule-1.32.json": false} {
		want := fixture(t, name)
		got := asJSON(t, view.Capsule(recorded(), view.Options{Base: "http://127.0.0.1:9617", Old: old, Now: at}))
		want["cpu"], want["memory"] = 0.1, "64" // the recorded one had two containers
		if life := take(got, "phase", "message", "started_at"); life != "Failed Cannot download image from docker: Error on pulling image: kubernetes/pause:latest <nil>" {
			t.Errorf("%s: extension %s", name, life)
		}
		for _, c := range got["containers"].([]any) {
			if runs := take(c.(map[string]any), "started_at", "finished_at", "exit_code", "restart_count"); runs != "<nil> <nil> <nil> 0" {
				t.Errorf("%s: extension %s", name, runs)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// take removes extensions, which have to be there, and shows their values.
func take(m map[string]any, keys ...string) string {
	var values []string
	for _, key := range keys {
		v, ok := m[key]
		if !ok {
			v = "missing"
		}
		values = append(values, fmt.Sprint(v))
		delete(m, key)
	}
	return strings.Join(values, " ")
}

// Beyond Zun's words, a capsule says where it is in its life, and a container how it ran.
func TestLife(t *testing.T) {
	c := recorded()
	c.Spec.RestartPolicy = capsule.RestartNever
	c.Facts = capsule.Facts{StartedAt: at, Sandbox: capsule.Sandbox{Ready: true}, Containers: []capsule.ContainerFacts{{Name: "capsule-cap1-iota-11",
		Run: &capsule.Run{Attempt: 2, StartedAt: at, FinishedAt: at.Add(time.Minute), ExitCode: 3, Message: "no database"}}}}
	for _, row := range []struct {
		exit   int
		mutate func()
		want   string
		runs   string
	}{
		{3, func() {}, "Failed no database 2026-11-20 17:25:15", "2026-11-20 17:25:15 2026-11-20 17:26:15 3 2"},
		{0, func() {}, "Finished <nil> 2026-11-20 17:25:15", "2026-11-20 17:25:15 2026-11-20 17:26:15 0 2"},
		{0, func() { c.Facts.Containers[0].Run.FinishedAt = time.Time{} }, "Running <nil> 2026-11-20 17:25:15", "2026-11-20 17:25:15 <nil> <nil> 2"},
		{0, func() { c.Facts.Containers[0].Run = nil }, "Starting <nil> 2026-11-20 17:25:15", "<nil> <nil> <nil> 0"},
	} {
		c.Facts.Containers[0].Run.ExitCode = row.exit
		row.mutate()
		got := asJSON(t, view.Capsule(c, view.Options{Now: at}))
		life := take(got, "phase", "message", "started_at")
		runs := take(got["containers"].([]any)[0].(map[string]any), "started_at", "finished_at", "exit_code", "restart_count")
		if life != row.want || runs != row.runs {
			t.Errorf("%s, %s; want %s, %s", life, runs, row.want, row.runs)
		}
	}
}

// everything is what an administrator sees.
var everything = view.Sees{CapsuleHost: true, Host: true, Runtime: true, ImagePullPolicy: true, Privileged: true}

func TestAdminSeesMore(t *testing.T) {
	got := asJSON(t, view.Capsule(recorded(), view.Options{Sees: everything, Now: at}))
	if got["host"] != "vm" {
		t.Errorf("host %v", got["host"])
	}
	want := slices.Sorted(maps.Keys(fixture(t, "container-admin.json")))
	container := got["containers"].([]any)[0].(map[string]any)
	take(container, "started_at", "finished_at", "exit_code", "restart_count")
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(container))); d != "" {
		t.Error(d)
	}
}

func TestHostIsAsRecorded(t *testing.T) {
	h := capsule.Host{
		UUID: "6519d448-9c87-446d-aab0-891f53eab948", Name: "vm", CPUs: 2, MemoryBytes: 24105 << 20, DiskBytes: 201 << 30,
		DiskFreeBytes: 201 << 30, Architecture: "x86_64", OSType: "linux", OS: "Debian GNU/Linux 12 (bookworm)",
		KernelVersion: "6.18.44-fc-v657", Runtimes: []string{"io.containerd.runc.v2", "io.containerd.runtime.v1.linux", "runc"},
	}
	two := recorded()
	two.Spec.Containers = append(two.Spec.Containers, two.Spec.Containers[0])
	elsewhere := recorded()
	elsewhere.Claim.Host = "other"
	got := asJSON(t, view.Host(&h, []*capsule.Capsule{two, elsewhere, two}, "http://127.0.0.1:9617"))
	if d := cmp.Diff(fixture(t, "host.json"), got); d != "" {
		t.Error(d)
	}
}

func TestAddressesAndInitContainers(t *testing.T) {
	c := recorded()
	c.Facts = capsule.Facts{Sandbox: capsule.Sandbox{Network: "bridge", Addresses: []string{"172.17.0.2", "fd00::2"}}}
	c.Spec.InitContainers = []capsule.ContainerSpec{{Name: "i", Image: "i"}}
	got := asJSON(t, view.Capsule(c, view.Options{Now: at}))
	networks := got["addresses"].(map[string]any)
	for _, list := range networks {
		for i, version := range []float64{4, 6} {
			a := list.([]any)[i].(map[string]any)
			if a["version"] != version || a["addr"] != c.Facts.Sandbox.Addresses[i] || len(a["port"].(string)) != 36 || len(a) != 5 {
				t.Errorf("address %v", a)
			}
		}
	}
	init := got["init_containers"].([]any)[0].(map[string]any)
	if d := cmp.Diff(map[string]any{"Name": "on-failure", "MaximumRetryCount": "10"}, init["restart_policy"]); len(networks) != 1 || d != "" {
		t.Errorf("networks %v, policy %s", networks, d)
	}
}

func TestSecretsAreShownToNobody(t *testing.T) {
	const secret = "hunter2"
	c := recorded()
	c.Spec.Containers[0].Env = []capsule.EnvVar{{Name: "P", Value: secret, Sensitive: true}, {Name: "A", Value: "b"}}
	c.Spec.Volumes = []capsule.Volume{
		{Name: "s", Files: &capsule.FilesVolume{Sensitive: true, Items: []capsule.File{{Path: "p", Content: []byte(secret)}}}},
		{Name: "c", Files: &capsule.FilesVolume{Items: []capsule.File{{Path: "p", Content: []byte("open")}}}}}
	before := asJSON(t, c)
	native := view.Native(c)
	zun, _ := json.Marshal(view.Capsule(c, view.Options{Sees: everything, Now: at}))
	b, _ := json.Marshal(native)
	if strings.Contains(string(zun), secret) || strings.Contains(string(b), "aHVudGVyMg") || strings.Contains(string(b), secret) {
		t.Errorf("%s\n%s", zun, b)
	}
	if string(native.Spec.Volumes[1].Files.Items[0].Content) != "open" || native.Spec.Containers[0].Env[0].Value != view.Mask {
		t.Errorf("%+v", native.Spec)
	}
	if d := cmp.Diff(before, asJSON(t, c)); d != "" {
		t.Errorf("the record was changed: %s", d)
	}
}
