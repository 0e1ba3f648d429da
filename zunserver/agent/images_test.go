package agent_test

import (
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

// askFor asks for an image as the API does.
func (w *world) askFor(repo, policy string, at time.Time, logins ...capsule.Credential) string {
	w.t.Helper()
	id := capsule.ImageUUID(hostName, repo, "1")
	_, err := w.store.Images().Change(w.t.Context(), hostName+"/"+id, func(i *capsule.HostImage, _ bool) error {
		*i = capsule.HostImage{UUID: id, Host: hostName, Repo: repo, Tag: "1", Policy: policy, AskedAt: at, Credentials: logins}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// awaitImage reads the record of an image until ok says so.
func (w *world) awaitImage(id, what string, ok func(capsule.HostImage) bool) capsule.HostImage {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		r, err := w.store.Images().Get(w.t.Context(), hostName+"/"+id)
		if err != nil {
			w.t.Fatal(err)
		}
		if ok(r.Value) {
			return r.Value
		}
		select {
		case <-deadline:
			w.t.Fatalf("never: %s; %+v", what, r.Value)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func imageIs(status string) func(capsule.HostImage) bool {
	return func(i capsule.HostImage) bool { return i.Status() == status }
}

// What was asked for while no agent was there is pulled by the next one.
func TestPullsThatWereAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stopAgent()
	w.host.Add(fake.Image{Ref: "wanted:1", Remote: true})
	now := time.Now().UTC()
	good, bad, never := w.askFor("wanted", "", now), w.askFor("missing", "", now), w.askFor("nowhere", "never", now)
	w.startAgent()
	if i := w.awaitImage(good, "pulled", imageIs(capsule.ImageAvailable)); i.ImageID == "" || i.TriedAt.Before(now) || i.Tries != 1 {
		t.Errorf("%+v", i)
	}
	if i := w.awaitImage(bad, "failed", imageIs(capsule.ImageError)); i.Failure == "" || !i.Final {
		t.Errorf("%+v", i)
	}
	if i := w.awaitImage(never, "failed", imageIs(capsule.ImageError)); !i.Final {
		t.Errorf("%+v", i)
	}
	// Who asks again gets another try.
	w.host.Add(fake.Image{Ref: "missing:1", Remote: true})
	w.askFor("missing", "always", time.Now().UTC())
	if i := w.awaitImage(bad, "pulled", imageIs(capsule.ImageAvailable)); i.Failure != "" || i.Tries != 1 {
		t.Errorf("%+v", i)
	}
	// What nobody asks for any more does not come back.
	if err := w.store.Images().Remove(t.Context(), hostName+"/"+good); err != nil {
		t.Fatal(err)
	}
	if err := w.store.UpdateHostImage(t.Context(), hostName, good, func(*capsule.HostImage) {}); !errdefs.IsNotFound(err) {
		t.Errorf("%v", err)
	}
}
