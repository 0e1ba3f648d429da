package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// TestContainerCommands is a day with containers of Zun's API.
func TestContainerCommands(t *testing.T) {
	w := newWorld(t)
	w.host.Add(fake.Image{Ref: "svc", Remote: true, Behaviour: fake.Behaviour{Stdout: []string{"one", "two"}, Exec: func(_ context.Context, c runtime.ExecConfig) int {
		in := ""
		if c.Stdin != nil {
			b, _ := io.ReadAll(c.Stdin)
			in = string(b)
		}
		_, _ = io.WriteString(c.Stdout, strings.Join(c.Command, "|")+in)
		return len(c.Command)
	}}})
	t.Run("create, run, list", func(t *testing.T) {
		w.T = t
		w.prints("\ncontainer web started, UUID UUID\n", "container run --name web -e A=b -l app=web --cpu 0.5 -m 64M --wait svc -- serve 'two words'")
		w.prints("\ncontainer later created, UUID UUID\n", "container create --name later svc")
		w.fails(1, "image: svc\nimagee: x\n", "container create -f -", "imagee")
		if out := w.ok("image: svc\nname: filed\n---\nimage: svc\nname: filed2\n", "container create -f -"); strings.Count(out, "created") != 2 {
			t.Errorf("%s", out)
		}
		w.prints("\nNAME IMAGE STATUS DETAIL AGE ADDRESS\nweb svc Running Up 0 seconds 0s ADDRESS\n", "container list -l app=web")
		if out := w.ok("", "container list -o name"); strings.Count(out, "\n") != 4 {
			t.Errorf("%s", out)
		}
		w.fails(1, "", "container list --all-projects", "Policy")
	})
	t.Run("show", func(t *testing.T) {
		w.T = t
		got := usual(w.ok("", "container show web"))
		for _, line := range []string{"Name: web", "Status: Running", "Image: svc", `Command: serve "two words"`, "CPU: 0.5", "Memory: 64 MiB", "Variable: A=b", "Restart policy: no"} {
			if !strings.Contains(got, line+"\n") {
				t.Errorf("%q has no line %q", got, line)
			}
		}
		if out := w.ok("", "container show web -o json"); !strings.Contains(out, `"status": "Running"`) {
			t.Errorf("%s", out)
		}
		w.fails(1, "", "container show nope", "nope could not be found", "capsulet container list")
	})
	t.Run("logs and exec", func(t *testing.T) {
		w.T = t
		w.prints("\none\ntwo\n", "container logs web")
		w.prints("\ntwo\n", "container logs web --tail 1")
		if r := w.run("", "container exec web -- a 'b c'"); r.out != "a|b c" || r.code != 2 {
			t.Errorf("%+v", r)
		}
		if r := w.run("input", "container exec -i web -- cat"); r.out != "catinput" || r.code != 1 {
			t.Errorf("%+v", r)
		}
		w.fails(1, "", "container exec later -- true", "not running")
		w.fails(1, "", "container attach web -i", "--interactive")
	})
	t.Run("actions", func(t *testing.T) {
		w.T = t
		w.prints("\ncontainer later is being started\ncontainer later running\n", "container start later --wait")
		w.prints("\ncontainer web is being paused\ncontainer web paused\n", "container pause web --wait")
		w.fails(1, "", "container pause web", "Cannot pause container", "Paused state")
		w.prints("\ncontainer web is being unpaused\ncontainer web running\n", "container unpause web --wait")
		w.prints("\ncontainer web is being stopped\ncontainer web stopped\n", "container stop web --timeout 1 --wait")
		w.prints("\ncontainer web is being restarted\ncontainer web running\n", "container restart web --wait")
		w.prints("\ncontainer filed is now other\n", "container rename filed other")
		w.prints("\ncontainer other updated\n", "container update other --memory 128")
		w.fails(1, "", "container update other", "--memory")
		w.fails(124, "", "container wait web --for=stopped --timeout 50ms", "is not stopped after 50ms; it is Running")
	})
	t.Run("delete", func(t *testing.T) {
		w.T = t
		w.fails(1, "", "container delete web", "--stop stops it first")
		w.prints("\ncontainer web is being deleted\ncontainer web deleted\n", "container delete web --stop --wait")
		w.ok("", "container delete --all --stop --wait")
		w.fails(0, "", "container list", "No containers.")
	})
	t.Run("sandboxes", func(t *testing.T) {
		w.T = t
		w.prints("\nsandbox shop created, UUID UUID\n", "sandbox create --name shop -l app=shop")
		w.ok("", "container run --name in --sandbox shop --wait svc")
		if got := usual(w.ok("", "sandbox show shop")); !strings.Contains(got, "\n in: Running, svc, UUID\n") {
			t.Errorf("%s", got)
		}
		if got := usual(w.ok("", "sandbox list -l app=shop")); !strings.Contains(got, "shop Running 1 0s ADDRESS UUID\n") {
			t.Errorf("%s", got)
		}
		if r := w.run("", "container exec in -- in a sandbox"); r.out != "in|a|sandbox" || r.code != 3 {
			t.Errorf("%+v", r)
		}
		w.prints("\none\ntwo\n", "container logs in")
		w.fails(1, "", "sandbox delete shop", "has containers")
		w.ok("", "container delete in --stop --wait")
		w.prints("\nsandbox shop is being deleted\n", "sandbox delete shop")
		w.ok("", "sandbox create --name joined --net bridge -l app=joined")
		w.fails(1, "", "sandbox create --net nope", "nope")
		w.fails(1, "", "sandbox delete", "give a name or a UUID")
		w.prints("\nsandbox joined is being deleted\n", "sandbox delete -l app=joined")
	})
	t.Run("of a capsule", func(t *testing.T) {
		w.T = t
		w.ok("{kind: capsule, metadata: {name: pair}, spec: {containers: [{name: one, image: svc}, {name: two, image: svc}]}}",
			"capsule create -f - --wait")
		if got := usual(w.ok("", "container list --capsule pair")); !strings.Contains(got, "\none svc Running ") || !strings.Contains(got, "\ntwo svc Running ") {
			t.Errorf("%s", got)
		}
		w.fails(1, "", "container update one --memory 128", "could not be found")
		w.prints("\ncontainer one updated\n", "container update one --capsule pair --memory 128")
		if got := usual(w.ok("", "container show one --capsule pair")); !strings.Contains(got, "128") {
			t.Errorf("%s", got)
		}
		w.ok("", "capsule delete pair --wait")
	})
}
