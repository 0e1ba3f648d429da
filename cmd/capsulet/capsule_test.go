package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// TestCapsuleCommands is a day with capsules: what people type, and what they read.
func TestCapsuleCommands(t *testing.T) {
	w := newWorld(t)
	w.host.AddImage("shell", fake.Behaviour{Exec: func(_ context.Context, c runtime.ExecConfig) int {
		in, _ := io.ReadAll(c.Stdin)
		_, _ = io.WriteString(c.Stdout, strings.Join(c.Command, " ")+" read "+string(in))
		_, _ = io.WriteString(c.Stderr, "complaint")
		return 7
	}})
	dir := w.TempDir()
	for name, text := range map[string]string{
		"1.yaml": template("web", "app"), "2.json": `{"kind": "capsule", "metadata": {"name": "db"}, "spec": {"restartPolicy": "Never",
			"containers": [{"name": "main", "image": "shell", "imagePullPolicy": "Never"}, {"name": "side", "image": "app", "imagePullPolicy": "Never"}]}}`,
		"README.md": "not a template",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("create from a directory, a file and the input", func(t *testing.T) {
		w.T = t
		w.prints("\ncapsule web created, UUID UUID\ncapsule db created, UUID UUID\n", "capsule create --wait -f "+dir)
		if out := w.ok("# two\n---\n"+template("job", "job")+"---\n"+template("job2", "job"), "capsule create -o name -f -"); len(out) != 2*37 {
			t.Errorf("names %q", out)
		}
		w.prints("\ncapsule job stopped\ncapsule job2 stopped\n", "capsule wait --for=stopped -l image=job")
	})
	t.Run("list", func(t *testing.T) {
		w.T = t
		w.prints("\nNAME STATUS READY RESTARTS AGE ADDRESS\nweb Running 1/1 0 0s ADDRESS\n", "capsule list -l app=web")
		w.prints("\nNAME STATUS READY RESTARTS AGE ADDRESS HOST UUID REASON\njob Error 0/1 0 0s ADDRESS h1 UUID container main: ended with exit code 3\n",
			"capsule ls -o wide -l app=job")
		w.prints("\nUUID\nUUID\n", "capsule list -o name -l image=job")
		w.fails(0, "", "capsule list -l app=nothing", "No capsules.")
		if out := w.ok("", "capsule list -o json"); !strings.Contains(out, `"status": "Running"`) {
			t.Errorf("no status in %s", out)
		}
		w.fails(1, "", "capsule list --all-projects", "Policy", "administrators")
		t.Setenv("CAPSULET_TOKEN", adminToken)
		if out := w.ok("", "capsule list --all-projects -l app=web"); !strings.Contains(usual(out), "\np web Running") {
			t.Errorf("all projects: %s", out)
		}
	})
	t.Run("show", func(t *testing.T) {
		w.T = t
		w.prints(`
Name: job
UUID: UUID
Project: p
Labels: app=job, image=job
Created: DATE, 0s ago
Status: Error
Reason: container main: ended with exit code 3
Host: h1 (192.0.2.1)
Addresses: ADDRESS
Restart policy: Never
Grace period: 10 s
Containers:
 main:
 Image: job
 Status: Stopped
 Reason: ended with exit code 3
 Ended: DATE, 0s ago, with exit code 3
 Restarts: 0
 Ready: no
 Requests: cpu 100m, memory 64.0 MiB
 Limits: memory 64.0 MiB
Events:
 AGE REASON CONTAINER MESSAGE
 0s Created for project p
 0s Placed on host h1
 0s SandboxStarted with the address ADDRESS
 0s Started main
 0s Ended main with exit code 3
`, "capsule describe job")
		if out := w.ok("", "capsule show web -o yaml"); !strings.Contains(out, "\nstatus: Running\n") {
			t.Errorf("yaml: %s", out)
		}
		w.fails(1, "", "capsule show web nope -o name", "nope could not be found", "1 of 2 failed")
	})
	t.Run("logs, exec, attach", func(t *testing.T) {
		w.T = t
		w.prints("\nhello\nworld\n", "capsule logs web")
		w.prints("\nworld\n", "capsule logs web --tail 1 --since 1h")
		r := w.run("input", "capsule exec -i db -- cat 'two words'")
		if r.out != "cat two words read input" || !strings.HasSuffix(r.err, "complaint") || r.code != 7 {
			t.Errorf("exec: %+v", r)
		}
		if !strings.Contains(r.err, "Container main of main, side; choose another one with -c.") {
			t.Errorf("exec does not tell which container: %q", r.err)
		}
		if r := w.run("", "capsule exec web -c main -- true"); r != (ran{}) {
			t.Errorf("exec: %+v", r)
		}
		w.fails(1, "", "capsule exec db -c nope -- true", "no container nope: it has main, side")
		w.fails(1, "", "capsule logs web --since yesterday", "--since yesterday")
		w.fails(1, "", "capsule exec job -- true", "not running")
	})
	t.Run("files and processes", func(t *testing.T) {
		w.T = t
		local, back := file(t, "notes", "written"), filepath.Join(t.TempDir(), "back")
		if r := w.run("", "capsule cp "+local+" db:/notes"); r.code != 0 || !strings.Contains(r.err, "Container main of main, side") {
			t.Errorf("%+v", r)
		}
		w.ok("", "capsule cp db:/notes "+back)
		if b, err := os.ReadFile(back); err != nil || string(b) != "written" {
			t.Errorf("%q, %v", b, err)
		}
		w.fails(1, "", "capsule cp db:/notes -c side -", "There is no /notes in the container")
		if got := usual(w.ok("", "capsule top db -c side")); !strings.Contains(got, "PID") {
			t.Errorf("%s", got)
		}
	})
	t.Run("apply and update", func(t *testing.T) {
		w.T = t
		changed := strings.Replace(template("web", "app"), "app: web", "app: web, tier: front", 1)
		if got := w.ok(template("web", "app"), "capsule apply -f -"); got != "capsule web unchanged\n" {
			t.Errorf("%q", got)
		}
		if got := w.ok(changed+"---\n"+template("late", "app"), "capsule apply -f -"); got != "capsule web updated\ncapsule late created\n" {
			t.Errorf("%q", got)
		}
		w.fails(1, changed+"---\n"+changed, "capsule update web -f -", "there are 2")
	})
	t.Run("a Pod's manifest, and another image", func(t *testing.T) {
		w.T = t
		pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: pod}\nspec: {containers: [{name: main, image: app, imagePullPolicy: Never}]}\n"
		if got := usual(w.ok(pod, "capsule create --wait -f -")); got != "capsule pod created, UUID UUID\n" {
			t.Errorf("%q", got)
		}
		if got := w.ok(strings.Replace(pod, "image: app", "image: job", 1), "capsule apply -f -"); !strings.HasPrefix(got, "capsule pod upgrading") {
			t.Errorf("%q", got)
		}
		if got := w.ok(pod, "capsule apply -f -"); got != "capsule pod updated\n" {
			t.Errorf("called off: %q", got)
		}
		if got := w.ok(strings.Replace(pod, "image: app", "image: job", 1), "capsule update pod --in-place -f -"); got != "capsule pod updated\n" {
			t.Errorf("in place: %q", got)
		}
		w.fails(1, strings.Replace(pod, "image: app", "image: app, workingDir: /w", 1), "capsule apply --in-place -f -", "spec.containers[0].workDir cannot be changed")
		secret := strings.Replace(pod, "image: app,", "image: app, envFrom: [{secretRef: {name: s}}],", 1)
		w.fails(1, secret, "capsule create -f -", "spec.containers[0].envFrom[0].secretRef: needs Kubernetes")
		w.ok("", "capsule delete pod --wait")
	})
	t.Run("events", func(t *testing.T) {
		w.T = t
		got := usual(w.ok("", "capsule events web"))
		for _, line := range []string{"AGE CAPSULE REASON CONTAINER MESSAGE", "0s web Placed on host h1", "0s web Started main", "0s web Ready main"} {
			if !strings.Contains(got, line+"\n") {
				t.Errorf("%q has no line %q", got, line)
			}
		}
	})
	t.Run("stats and endpoints", func(t *testing.T) {
		w.T = t
		if got := usual(w.ok("", "capsule stats web db --no-stream --containers")); !strings.HasPrefix(got, "CAPSULE CONTAINER CPU MEMORY RECEIVED SENT READ WRITTEN\n") ||
			!strings.Contains(got, "\nweb main ") || !strings.Contains(got, "\ndb side ") {
			t.Errorf("%s", got)
		}
		w.fails(1, "", "capsule stats web nope --no-stream", "no capsule nope")
		w.fails(0, "", "capsule endpoints web", "No endpoints.")
		ports := strings.Replace(template("open", "app"), "name: main", "ports: [{containerPort: 80}], name: main", 1)
		w.ok(ports, "capsule create --wait -f -")
		w.prints("\nPORT ADDRESS SCOPE\n80/TCP ADDRESS:80 host\n80/TCP ADDRESS:80 internal\n", "capsule endpoints open")
		w.prints("\nADDRESS:80\n", "capsule endpoints open --from web -o name")
	})
	t.Run("delete and wait", func(t *testing.T) {
		w.T = t
		w.fails(1, "", "capsule delete web -l app=web", "exclude each other")
		w.fails(1, "", "capsule delete", "--selector or --all")
		w.fails(124, "", "capsule wait web --for=deleted --timeout 50ms", "is not deleted after 50ms; it is Running")
		w.fails(1, "", "capsule wait job --for=running", "will not be running: it has ended: container main: ended with exit code 3")
		r := w.run("", "capsule delete nope job")
		if r.code != 1 || r.out != "capsule job is being deleted\n" || !strings.Contains(r.err, "1 of 2 failed") {
			t.Errorf("%+v", r)
		}
		w.ok("", "capsule delete -l 'app in (web, job2)' --wait")
		w.fails(1, "", "capsule show web", "web could not be found", "capsulet capsule list")
		if out := w.ok("", "capsule delete --all --wait --grace-period 0"); strings.Count(out, "deleted\n") != 6 {
			t.Errorf("%s", out)
		}
		w.fails(0, "", "capsule delete --all", "No capsules.")
	})
}

// TestWatch: what changes is printed until the reader has enough, which is an interruption.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, wr := io.Pipe()
	done := make(chan ran, 1)
	root := newRoot()
	root.SetOut(wr)
	root.SetErr(io.Discard)
	root.SetArgs(split("capsule list -w"))
	go func() {
		_, err := root.ExecuteContextC(ctx)
		_ = wr.CloseWithError(err)
		done <- ran{}
	}()
	seen := make(chan string)
	go func() {
		buf := make([]byte, 4096)
		text := ""
		for {
			n, err := r.Read(buf)
			text += usual(string(buf[:n]))
			if err != nil || strings.Contains(text, "web Deleted") {
				seen <- text
				break
			}
		}
		_, _ = io.Copy(io.Discard, r)
	}()
	w.ok(template("web", "app"), "capsule create --wait -f -")
	w.ok("", "capsule delete web --wait")
	text := <-seen
	cancel()
	<-done
	for _, line := range []string{"NAME STATUS", "web Creating", "web Running 1/1", "web Deleting", "web Deleted"} {
		if !strings.Contains(text, line) {
			t.Errorf("%q has no %q", text, line)
		}
	}
}

// TestCompletion: names come from the server; without one, nothing does, and soon.
func TestCompletion(t *testing.T) {
	w := newWorld(t)
	w.ok(template("web", "app"), "capsule create -f -")
	if got := w.ok("", "__complete capsule delete ''"); got != "web\n:4\n" {
		t.Errorf("%q", got)
	}
	if got := w.ok("", "__complete capsule logs web -c ''"); got != "main\n:4\n" {
		t.Errorf("%q", got)
	}
	t.Setenv("CAPSULET_ENDPOINT", "http://127.0.0.1:1")
	began := time.Now()
	if got := w.ok("", "__complete capsule delete ''"); got != ":1\n" || time.Since(began) > 10*time.Second {
		t.Errorf("%q after %s", got, time.Since(began))
	}
}
