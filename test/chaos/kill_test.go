package chaos_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/test/dev/stage"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/docker"
	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

var (
	seed  = flag.Uint64("seed", 0, "seed of the kill test; 0 takes one from the clock")
	kills = flag.Int("kills", 55, "how often the kill test kills the server")
)

const (
	clients   = 3
	few, most = 6, 12 // capsules at a time: some that grow old, and no more than a small engine keeps up with
	quietTime = 20 * time.Second
)

// wish is a capsule as its client knows it.
type wish struct {
	spec    capsule.Spec
	deleted time.Time // when the delete was first sent
	busy    bool      // a client has not had its answer yet
}

// wishes is what the clients asked for. It is safe for concurrent use.
type wishes struct {
	mu sync.Mutex
	of map[string]*wish
}

// TestKillServer: what was accepted is never lost, what was deleted goes, nothing is left over and nothing starts twice,
// whenever the server dies.
func TestKillServer(t *testing.T) {
	began := *seed
	if began == 0 {
		began = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with -seed)", began)
	s := newServer(t, docker.DefaultEndpoint)
	image := testImage(t, docker.DefaultEndpoint, s.instance)
	r := startRecord(t, s.instance)
	ws := &wishes{of: map[string]*wish{}}

	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer func() { // also when a kill ends the test
		stop()
		working.Wait()
	}()
	for n := range clients {
		random := rand.New(rand.NewPCG(began, uint64(n)+1))
		working.Go(func() { ws.work(ctx, t, s, random, image) })
	}
	killAtRandom(t, s, rand.New(rand.NewPCG(began, 0)))
	stop()
	working.Wait()
	settle(t, s, ws)
	r.end()
	asked, init := ws.forRecord()
	for _, wrong := range r.judge(asked, init) {
		t.Error(wrong)
	}
	if r.count("start") == 0 {
		t.Error("the engine's event stream told of no start")
	}
	t.Logf("%d kills, %d capsules, %d deleted, %d containers started", *kills, len(ws.of), len(asked), r.count("start"))
}

// killAtRandom kills the server as often as asked: mostly at work, sometimes while it starts. It leaves one running.
func killAtRandom(t *testing.T, s *server, random *rand.Rand) {
	t.Helper()
	for n := range *kills {
		s.start()
		starting := random.IntN(100) < 20
		wait := time.Duration(random.IntN(1500)) * time.Millisecond
		if starting {
			wait = time.Duration(random.IntN(500)) * time.Millisecond
		} else {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			err := s.answers(ctx)
			cancel()
			if err != nil {
				t.Fatalf("after %d kills: %v", n, err)
			}
		}
		time.Sleep(wait) // the moment is the point
		if s.died() {
			t.Fatalf("the server ended by itself after %d kills; the end of its log:\n%s", n, s.tail())
		}
		s.kill()
	}
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.answers(ctx); err != nil {
		t.Fatal(err)
	}
}

// work creates and deletes until ctx ends; each operation is carried through.
func (ws *wishes) work(ctx context.Context, t *testing.T, s *server, random *rand.Rand, image string) {
	for ctx.Err() == nil {
		var err error
		if alive := ws.alive(); alive < few || alive < most && random.IntN(100) < 70 {
			err = ws.create(t.Context(), s, draw(random, image)) //nolint:contextcheck // it is carried through
		} else {
			err = ws.delete(t.Context(), s, int64(random.IntN(3)), random) //nolint:contextcheck // it is carried through
		}
		if err != nil {
			t.Error(err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(random.IntN(400)) * time.Millisecond):
		}
	}
}

// draw makes a capsule of one or two containers, sometimes with init containers and a volume.
func draw(random *rand.Rand, image string) capsule.Spec {
	container := func(name string, args ...string) capsule.ContainerSpec {
		return capsule.ContainerSpec{Name: name, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Args: args}
	}
	spec := capsule.Spec{
		Name: fmt.Sprintf("chaos-%d", random.IntN(1000)), RestartPolicy: capsule.RestartAlways,
		Containers: []capsule.ContainerSpec{container("one", "sleep")},
	}
	if random.IntN(3) == 0 {
		spec.Containers = append(spec.Containers, container("two", "sleep"))
	}
	for n := range max(random.IntN(5)-2, 0) {
		spec.InitContainers = append(spec.InitContainers, container(fmt.Sprintf("init%d", n), "exit", "0", "20ms"))
	}
	if random.IntN(3) == 0 {
		spec.Volumes = []capsule.Volume{{Name: "scratch", EmptyDir: &corev1.EmptyDirVolumeSource{}}}
		spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/data"}}
	}
	return spec
}

func (ws *wishes) alive() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	n := 0
	for _, w := range ws.of {
		if w.deleted.IsZero() {
			n++
		}
	}
	return n
}

func (ws *wishes) create(ctx context.Context, s *server, spec capsule.Spec) error {
	id := uuid.NewString()
	w := &wish{spec: spec, busy: true}
	ws.mu.Lock()
	ws.of[id] = w
	ws.mu.Unlock()
	err := insist(ctx, func() error {
		_, err := s.client.Create(ctx, spec, id)
		if errdefs.IsAlreadyExists(err) {
			return nil // it is the one whose answer was lost
		}
		return err
	})
	ws.mu.Lock()
	w.busy = false
	ws.mu.Unlock()
	return err
}

func (ws *wishes) delete(ctx context.Context, s *server, grace int64, random *rand.Rand) error {
	ws.mu.Lock()
	var ids []string
	for id, w := range ws.of {
		if w.deleted.IsZero() && !w.busy {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		ws.mu.Unlock()
		return nil
	}
	slices.Sort(ids)
	id := ids[random.IntN(len(ids))]
	ws.of[id].deleted = time.Now()
	ws.mu.Unlock()
	first := true
	return insist(ctx, func() error {
		err := s.client.Delete(ctx, id, &grace)
		if errdefs.IsNotFound(err) && !first {
			return nil // an earlier try, whose answer was lost, did it
		}
		if errdefs.IsNotFound(err) {
			return fmt.Errorf("%w: capsule %s was accepted and is lost: %w", errdefs.ErrInvalidArgument, id, err)
		}
		first = false
		return err
	})
}

// insist tries again while the server is away.
func insist(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := f()
		if err == nil || errdefs.IsInvalidArgument(err) || errdefs.IsUnauthorized(err) || errdefs.IsPermissionDenied(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// settle waits until everything is as it was asked for, on the API, on the engine and on the disk.
func settle(t *testing.T, s *server, ws *wishes) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), quietTime)
	defer cancel()
	for round := 0; ; round++ {
		wrong := ws.compare(ctx, s)
		if round%30 == 20 && len(wrong) > 0 { // what takes long is worth knowing, even if it comes right in the end
			t.Logf("after %s:\n  %s", time.Since(began).Round(100*time.Millisecond), strings.Join(wrong, "\n  "))
		}
		if len(wrong) == 0 {
			t.Logf("quiet after %s", time.Since(began).Round(100*time.Millisecond))
			return
		}
		if s.died() {
			t.Fatalf("the server ended by itself; the end of its log:\n%s", s.tail())
		}
		select {
		case <-ctx.Done():
			t.Errorf("not as asked after %s:\n  %s", quietTime, strings.Join(wrong, "\n  "))
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// compare says what is not as it was asked for.
func (ws *wishes) compare(ctx context.Context, s *server) (wrong []string) {
	all, _, err := s.client.List(ctx)
	if err != nil {
		return []string{err.Error()}
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	found := map[string]*capsule.Capsule{}
	for _, c := range all {
		found[c.UUID] = c
		if w := ws.of[c.UUID]; w == nil || !w.deleted.IsZero() {
			wrong = append(wrong, "not gone: "+describe(c))
		}
	}
	for id, w := range ws.of {
		switch {
		case !w.deleted.IsZero():
		case found[id] == nil:
			wrong = append(wrong, "lost: "+w.spec.Name+" "+id)
		case !running(found[id]):
			wrong = append(wrong, "not running: "+describe(found[id]))
		}
	}
	return append(wrong, append(ws.onEngine(ctx, s.instance), ws.onDisk(s.state())...)...)
}

// onEngine compares the engine's list with what was asked for. The lock is held.
func (ws *wishes) onEngine(ctx context.Context, instance string) (wrong []string) {
	format := fmt.Sprintf(`{{.State}}|{{.Names}}|{{.Label %q}}|{{.Label %q}}`, runtime.LabelCapsule, runtime.LabelContainer)
	out, err := stage.Docker(ctx, "ps", "-a", "--format", format, "--filter", "label="+stage.InstanceLabel+"="+instance)
	if err != nil {
		return []string{err.Error()}
	}
	alive := map[string]int{}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 4 {
			return []string{"docker ps says " + line}
		}
		state, name, id, container := f[0], f[1], f[2], f[3]
		w := ws.of[id]
		if w == nil || !w.deleted.IsZero() {
			wrong = append(wrong, "left on the engine: "+name+" "+state)
			continue
		}
		_, init := w.spec.Container(container)
		if want := map[bool]string{true: "exited", false: "running"}[init]; state != want {
			wrong = append(wrong, fmt.Sprintf("%s is %s, not %s", name, state, want))
		}
		alive[id]++
	}
	for id, w := range ws.of {
		if want := 1 + len(w.spec.Containers) + len(w.spec.InitContainers); w.deleted.IsZero() && alive[id] != want {
			wrong = append(wrong, fmt.Sprintf("%s %s has %d containers, not %d", w.spec.Name, id, alive[id], want))
		}
	}
	return wrong
}

// onDisk finds volumes of capsules that are gone. The lock is held.
func (ws *wishes) onDisk(state string) (wrong []string) {
	dirs, err := os.ReadDir(filepath.Join(state, "volumes"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return []string{err.Error()}
	}
	for _, d := range dirs {
		if w := ws.of[d.Name()]; w == nil || !w.deleted.IsZero() {
			wrong = append(wrong, "volumes of a capsule that is gone: "+d.Name())
		}
	}
	return wrong
}

func (ws *wishes) forRecord() (asked map[string]time.Time, init map[string][]string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	asked, init = map[string]time.Time{}, map[string][]string{}
	for id, w := range ws.of {
		if !w.deleted.IsZero() {
			asked[id] = w.deleted
		}
		for i := range w.spec.InitContainers {
			init[id] = append(init[id], w.spec.InitContainers[i].Name)
		}
	}
	return asked, init
}

// testImage puts the test image on an engine.
func testImage(t *testing.T, endpoint, instance string) string {
	t.Helper()
	host, err := docker.Open(t.Context(), docker.Config{Endpoint: endpoint, Instance: instance})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	ref, err := runtimetest.BuildImage(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
