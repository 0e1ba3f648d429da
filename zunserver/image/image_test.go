package image_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/image"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

const instance = "test"

// pulls counts the pulls that the host was asked for.
func pulls(h *fake.Host) int {
	n := 0
	for _, c := range h.Calls() {
		if c.Op == "pull" {
			n++
		}
	}
	return n
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name          string
		policy        corev1.PullPolicy
		local, remote bool
		pulls         int
		reason        string
		failed        string // part of the error, empty if there is none
	}{
		{"there, if not present", corev1.PullIfNotPresent, true, true, 0, "", ""},
		{"there, no policy", "", true, false, 0, "", ""},
		{"there, never", corev1.PullNever, true, true, 0, "", ""},
		{"there, always", corev1.PullAlways, true, true, 1, "", ""},
		{"there but not in the registry, always", corev1.PullAlways, true, false, 1, "", `pull app`},
		{"in the registry, if not present", corev1.PullIfNotPresent, false, true, 1, "", ""},
		{"in the registry, no policy", "", false, true, 1, "", ""},
		{"in the registry, never", corev1.PullNever, false, true, 0, image.ReasonNeverPull,
			`container image "app" is not present with pull policy of Never`},
		{"nowhere, if not present", corev1.PullIfNotPresent, false, false, 1, "", `pull app`},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := fake.New(fake.Config{Instance: instance})
			if row.local {
				h.Add(fake.Image{Ref: "app"})
			}
			if row.remote {
				h.Add(fake.Image{Ref: "app", Remote: true})
			}
			img, err := image.NewPuller(h).Ensure(t.Context(), image.Request{Ref: "app", Policy: row.policy})
			if got := pulls(h); got != row.pulls {
				t.Errorf("%d pulls, want %d", got, row.pulls)
			}
			if row.failed == "" {
				if err != nil || img.ID == "" {
					t.Errorf("image %+v, error %v", img, err)
				}
				return
			}
			var why *image.Error
			if !errors.As(err, &why) || why.Reason != row.reason || !strings.Contains(err.Error(), row.failed) {
				t.Errorf("error %v (%+v), want reason %q and %q", err, why, row.reason, row.failed)
			}
			if !errdefs.IsNotFound(err) {
				t.Errorf("the error %v lost its class", err)
			}
		})
	}
}

func TestInvalidNames(t *testing.T) {
	t.Parallel()
	for _, policy := range []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever} {
		_, err := image.NewPuller(fake.New(fake.Config{})).Ensure(t.Context(), image.Request{Ref: "App:::1", Policy: policy})
		var why *image.Error
		if !errors.As(err, &why) || why.Reason != image.ReasonInvalidName {
			t.Errorf("%s: error %v, want the reason %s", policy, err, image.ReasonInvalidName)
		}
	}
}

func TestHostThatDoesNotAnswerIsNoImageError(t *testing.T) {
	t.Parallel()
	h := fake.New(fake.Config{})
	h.Partition(true)
	_, err := image.NewPuller(h).Ensure(t.Context(), image.Request{Ref: "app", Policy: corev1.PullIfNotPresent})
	var why *image.Error
	if errors.As(err, &why) || !errdefs.IsUnavailable(err) {
		t.Errorf("error %v, want one of the class Unavailable that is not the image's", err)
	}
}

func TestOnePullAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := fake.New(fake.Config{Instance: instance})
		h.Add(fake.Image{Ref: "app", Remote: true, PullDelay: time.Minute})
		h.Add(fake.Image{Ref: "other", Remote: true, PullDelay: time.Minute})
		p := image.NewPuller(h)
		began := time.Now()
		var all sync.WaitGroup
		for n := range 20 {
			ref := []string{"app", "other"}[n%2]
			all.Go(func() {
				if _, err := p.Ensure(t.Context(), image.Request{Ref: ref, Policy: corev1.PullIfNotPresent}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if pulls(h) != 2 || time.Since(began) != time.Minute {
			t.Errorf("%d pulls in %v, want one for each image, side by side", pulls(h), time.Since(began))
		}
	})
}

func TestOneCallerGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := fake.New(fake.Config{Instance: instance})
		h.Add(fake.Image{Ref: "app", Remote: true, PullDelay: time.Minute})
		p := image.NewPuller(h)
		impatient, cancel := context.WithCancel(t.Context())
		gaveUp, patient := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := p.Ensure(impatient, image.Request{Ref: "app", Policy: corev1.PullIfNotPresent})
			gaveUp <- err
		}()
		synctest.Wait() // the one who gives up is the one who began
		go func() {
			_, err := p.Ensure(t.Context(), image.Request{Ref: "app", Policy: corev1.PullIfNotPresent})
			patient <- err
		}()
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
		if err := <-patient; err != nil || pulls(h) != 1 {
			t.Errorf("who waited got %v after %d pulls", err, pulls(h))
		}
	})
}

func TestAPullThatNeverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := fake.New(fake.Config{Instance: instance})
		h.Add(fake.Image{Ref: "app", Remote: true, PullDelay: 24 * time.Hour})
		began := time.Now()
		_, err := image.NewPuller(h).Ensure(t.Context(), image.Request{Ref: "app", Policy: corev1.PullIfNotPresent})
		var why *image.Error
		if !errors.As(err, &why) || time.Since(began) != 15*time.Minute {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
	})
}

func TestAFailedPullIsTriedAgain(t *testing.T) {
	t.Parallel()
	h := fake.New(fake.Config{Instance: instance})
	p := image.NewPuller(h)
	if _, err := p.Ensure(t.Context(), image.Request{Ref: "app", Policy: corev1.PullIfNotPresent}); err == nil {
		t.Fatal("no error")
	}
	h.Add(fake.Image{Ref: "app", Remote: true})
	if _, err := p.Ensure(t.Context(), image.Request{Ref: "app", Policy: corev1.PullIfNotPresent}); err != nil {
		t.Error(err)
	}
}

// A pull that fails because the engine is gone says nothing of the image; one whose registry is gone does.
func TestEngineThatGoesDuringAPullIsNoImageError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := fake.New(fake.Config{Instance: instance})
		h.Add(fake.Image{Ref: "app", Remote: true, PullDelay: time.Minute})
		p := image.NewPuller(h)
		failed := make(chan error, 1)
		go func() {
			_, err := p.Ensure(t.Context(), image.Request{Ref: "app", Policy: corev1.PullAlways})
			failed <- err
		}()
		time.Sleep(time.Second)
		h.Partition(true)
		var why *image.Error
		if err := <-failed; errors.As(err, &why) || !errdefs.IsUnavailable(err) {
			t.Errorf("error %v, want one of the class Unavailable that is not the image's", err)
		}
		h.Partition(false)
		h.SetFault(func(op, _ string) error {
			if op == "pull" {
				return errdefs.ErrUnavailable
			}
			return nil
		})
		if _, err := p.Ensure(t.Context(), image.Request{Ref: "app", Policy: corev1.PullAlways}); !errors.As(err, &why) {
			t.Errorf("the registry does not answer: %v, want an error of the image", err)
		}
	})
}

// A pull that nobody waits for any more ends, and who comes after that begins anew.
func TestTheLastToGiveUpEndsThePull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := fake.New(fake.Config{Instance: instance})
		h.Add(fake.Image{Ref: "app", Remote: true, PullDelay: time.Minute})
		ended := make(chan error, 2)
		p := image.NewPuller(watched{h, ended})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { _, _ = p.Ensure(ctx, image.Request{Ref: "app", Policy: corev1.PullAlways}) })
		}
		synctest.Wait()
		cancel()
		all.Wait()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the pull ended with %v", err)
		}
		if _, err := p.Ensure(t.Context(), image.Request{Ref: "app", Policy: corev1.PullAlways}); err != nil || <-ended != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

// watched tells how pulls end.
type watched struct {
	*fake.Host
	ended chan<- error
}

func (w watched) Pull(ctx context.Context, ref string, auth *runtime.RegistryAuth, progress func(string)) (runtime.Image, error) {
	img, err := w.Host.Pull(ctx, ref, auth, progress)
	w.ended <- err
	return img, err
}
