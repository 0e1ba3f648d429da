package zunserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// revised is a server whose life can be ended and begun again over the same state and hosts.
type revised struct {
	*server
	cfg zunserver.Config
	end func()
}

func newRevised(t *testing.T, names ...string) *revised {
	t.Helper()
	r := &revised{server: &server{t: t, hosts: map[string]*fake.Host{}}}
	for _, name := range names {
		h := fake.New(fake.Config{Name: name, Instance: "test"})
		for _, ref := range []string{"app:1", "app:2", "app:3"} {
			h.AddImage(ref, fake.Behaviour{})
		}
		r.hosts[name] = h
	}
	r.cfg = config(t, r.hosts)
	r.cfg.UpgradeSettle = 50 * time.Millisecond
	r.begin()
	t.Cleanup(func() {
		r.end()
		for name, h := range r.hosts {
			for _, v := range h.Violations() {
				t.Errorf("violation on %s: %s", name, v)
			}
		}
	})
	return r
}

func (r *revised) begin() {
	r.t.Helper()
	var err error
	if r.srv, err = zunserver.New(context.Background(), r.cfg); err != nil { //nolint:forbidigo // ends with end
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // ends with end
	ended := make(chan error, 1)
	go func() { ended <- r.srv.Run(ctx) }()
	web := httptest.NewServer(r.srv.Handler())
	r.url = web.URL
	r.end = func() {
		web.CloseClientConnections()
		web.Close()
		cancel()
		if err := errors.Join(<-ended, r.srv.Close()); err != nil {
			r.t.Errorf("the server ended with: %v", err)
		}
	}
}

// send is a request with a template of the image; it returns the status and the native answer.
func (r *revised) send(method, path, image, more string) (int, capsule.Capsule) {
	r.t.Helper()
	body := fmt.Sprintf(`{"template":{"kind":"capsule","metadata":{"name":"web"},"spec":{%s"containers":[{"name":"c","image":%q,"imagePullPolicy":"never"}]}}}`, more, image)
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", r.srv.LocalToken())
	req.Header.Set("Accept", "application/vnd.capsulet+json")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var c capsule.Capsule
	if err := json.Unmarshal(b, &c); resp.StatusCode < 300 && err != nil {
		r.t.Fatalf("%s: %v", b, err)
	}
	return resp.StatusCode, c
}

func (r *revised) see(id string) *capsule.Capsule {
	r.t.Helper()
	var c capsule.Capsule
	if code := r.do(http.MethodGet, "/v1/capsules/"+id, r.srv.LocalToken(), &c); code != http.StatusOK {
		return &capsule.Capsule{}
	}
	return &c
}

// made is a capsule of app:1 that runs.
func (r *revised) made(more string) string {
	r.t.Helper()
	code, c := r.send(http.MethodPost, "/v1/capsules", "app:1", more)
	if code != http.StatusAccepted {
		r.t.Fatalf("create: %d", code)
	}
	r.until("the first revision runs", func() bool { return r.see(c.UUID).Status() == capsule.StatusRunning })
	return c.UUID
}

func (r *revised) patch(id, image, query, more string) {
	r.t.Helper()
	if code, _ := r.send(http.MethodPatch, "/v1/capsules/"+id+query, image, more); code != http.StatusAccepted {
		r.t.Fatalf("PATCH to %s: %d", image, code)
	}
}

// images counts the containers on all hosts by image, sandboxes as "".
func (r *revised) images() map[string]int {
	n := map[string]int{}
	for _, h := range r.hosts {
		for _, c := range h.Containers() {
			if c.Identity.Container == "" {
				n[""]++
				continue
			}
			cfg, _ := h.Config(c.ID)
			n[cfg.Image]++
		}
	}
	return n
}

// only waits until the hosts have one capsule of the image and nothing else.
func (r *revised) only(image string) {
	r.t.Helper()
	var n map[string]int
	defer func() {
		if r.t.Failed() {
			r.t.Logf("on the hosts: %v", n)
		}
	}()
	r.until("only "+image, func() bool { n = r.images(); return len(n) == 2 && n[""] == 1 && n[image] == 1 })
}

func (r *revised) gone(id string) {
	r.t.Helper()
	r.until("nothing is left", func() bool { return r.see(id).UUID == "" && len(r.images()) == 0 })
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	r := newRevised(t, "h1")
	id := r.made("")
	before := r.see(id)
	r.patch(id, "app:2", "", "")
	r.until("the new revision is taken over", func() bool { c := r.see(id); return c.Spec.Containers[0].Image == "app:2" && c.Upgrade == nil })
	r.only("app:2")
	after := r.see(id)
	if after.Status() != capsule.StatusRunning || after.StatusReason() != "" || after.Spec.Name != "web" ||
		after.Spec.Containers[0].UUID != before.Spec.Containers[0].UUID || after.Facts.Sandbox.ID == before.Facts.Sandbox.ID || after.Body == "" {
		t.Errorf("after %+v", after)
	}
	// What changes in place does so in the new body, and the next upgrade works as the first.
	if code, c := r.send(http.MethodPatch, "/v1/capsules/"+id, "app:2", `"activeDeadlineSeconds":9999,`); code != http.StatusOK || c.Upgrade != nil {
		t.Errorf("in place: %d %+v", code, c.Upgrade)
	}
	r.patch(id, "app:3", "", "")
	r.only("app:3")
	r.do(http.MethodDelete, "/v1/capsules/"+id, r.srv.LocalToken(), nil)
	r.gone(id)
}

func TestUpgradeThatFailsLeavesTheFormerRevision(t *testing.T) {
	t.Parallel()
	r := newRevised(t, "h1")
	id := r.made("")
	sandbox := r.see(id).Facts.Sandbox.ID
	r.patch(id, "nothing:1", "?timeout=1", "")
	r.until("it says why", func() bool { u := r.see(id).Upgrade; return u != nil && u.Failed != "" })
	c := r.see(id)
	if c.Status() != capsule.StatusRunning || c.Facts.Sandbox.ID != sandbox || c.Spec.Containers[0].Image != "app:1" ||
		!strings.Contains(c.StatusReason(), "upgrade failed at") || !strings.Contains(c.Upgrade.Failed, "not healthy within 1s") {
		t.Errorf("after: %s: %s, %+v", c.Status(), c.StatusReason(), c.Upgrade)
	}
	r.only("app:1")
	r.patch(id, "app:2", "", "") // and the next one may succeed
	r.only("app:2")
}

func TestUpgradeToAnotherHost(t *testing.T) {
	t.Parallel()
	r := newRevised(t, "h1", "h2")
	id := r.made(`"hostSelector":"h1",`)
	first := r.see(id).Claim.Host
	r.patch(id, "app:2", "", `"hostSelector":"h2",`)
	r.until("it has moved", func() bool { c := r.see(id); return c.Claim.Host == "h2" && c.Upgrade == nil })
	r.only("app:2")
	if first != "h1" || len(r.hosts["h1"].Containers()) != 0 {
		t.Errorf("from %s, left there: %v", first, r.hosts["h1"].Containers())
	}
}

func TestDeleteDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	r := newRevised(t, "h1", "h2")
	id := r.made("")
	r.patch(id, "nothing:1", "", "")
	r.until("both are there", func() bool { return r.images()[""] == 2 })
	if code := r.do(http.MethodDelete, "/v1/capsules/"+id, r.srv.LocalToken(), nil); code != http.StatusNoContent {
		t.Fatalf("delete: %d", code)
	}
	r.gone(id)
}

func TestASecondPatchReplacesTheFirst(t *testing.T) {
	t.Parallel()
	r := newRevised(t, "h1")
	id := r.made("")
	r.patch(id, "nothing:1", "", "")
	r.until("both are there", func() bool { return r.images()[""] == 2 })
	r.patch(id, "app:3", "", "")
	r.only("app:3")
	r.patch(id, "nothing:1", "", "")
	if code, c := r.send(http.MethodPatch, "/v1/capsules/"+id, "app:3", ""); code != http.StatusOK || c.Upgrade != nil {
		t.Errorf("called off: %d, %+v", code, c.Upgrade)
	}
	r.only("app:3")
}

// The server ends at any moment of an upgrade and begins again: in the end there is the new revision and nothing else.
func TestUpgradeOverRestarts(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := newRevised(t, "h1", "h2")
	id := r.made("")
	images := []string{"app:2", "app:3", "app:1"}
	for round := range 6 {
		image := images[round%len(images)]
		r.patch(id, image, "", "")
		for range 1 + random.IntN(2) {
			time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond) // any moment
			r.end()
			r.begin()
		}
		r.only(image)
		r.until("it is taken over", func() bool { c := r.see(id); return c.Upgrade == nil && c.Spec.Containers[0].Image == image })
	}
	r.do(http.MethodDelete, "/v1/capsules/"+id, r.srv.LocalToken(), nil)
	r.gone(id)
}
