package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/image"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

const (
	// lookForPulls is how often the table of images is read; who asks for one through this server wakes us besides.
	lookForPulls = 5 * time.Second
	// pullsAtOnce bounds the pulls that were asked for as such.
	pullsAtOnce = 2
	// pullTries is after how many failures one is given up.
	pullTries = 6
)

// Images are what the host has.
func (a *Agent) Images(ctx context.Context) ([]capsule.Image, error) {
	list, err := a.cfg.Runtime.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]capsule.Image, len(list))
	for i, one := range list {
		all[i] = capsule.Image{ID: one.ID, Tags: one.Tags, Digests: one.Digests, SizeBytes: one.SizeBytes}
	}
	return all, nil
}

// RemoveImage deletes a reference of the host; FailedPrecondition while a container is made of it.
func (a *Agent) RemoveImage(ctx context.Context, ref string) error {
	return a.cfg.Runtime.RemoveImage(ctx, ref)
}

// Pulls says that an image was asked for.
func (a *Agent) Pulls() {
	select {
	case a.pulls <- struct{}{}:
	default:
	}
}

// servePulls pulls what was asked for on this host, until ctx ends: what was begun then is begun again by who comes next.
func (a *Agent) servePulls(ctx context.Context) error {
	var under sync.WaitGroup
	defer under.Wait()
	free := make(chan struct{}, pullsAtOnce)
	flying := newSet()
	tick := time.NewTicker(lookForPulls)
	defer tick.Stop()
	for {
		if a.isUp() {
			all, err := a.cfg.Store.HostImages(ctx, a.cfg.Name)
			if err != nil && ctx.Err() == nil {
				a.log.WithError(err).Warn("Cannot read which images are asked for, trying again")
			}
			for i := range all {
				one := all[i]
				if due, _ := one.Due(time.Now()); !due || !flying.add(one.UUID) {
					continue
				}
				under.Go(func() {
					defer flying.remove(one.UUID)
					select {
					case free <- struct{}{}:
						defer func() { <-free }()
						a.pull(ctx, one)
					case <-ctx.Done():
					}
				})
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-a.pulls:
		}
	}
}

// pull pulls one image and writes what became of it.
func (a *Agent) pull(ctx context.Context, one capsule.HostImage) {
	began := time.Now().UTC()
	img, err := a.exec.Pull(ctx, image.Request{Ref: one.Ref(), Policy: pullPolicy(one.Policy), Credentials: one.Credentials})
	var why *image.Error
	if ctx.Err() != nil || err != nil && !errors.As(err, &why) {
		a.log.WithField("cause", err).WithField("image", one.Ref()).Debug("A pull was interrupted, trying again")
		return
	}
	log := a.log.WithField("image", one.Ref())
	if err != nil {
		log.WithError(err).Warn("Cannot pull an image that was asked for")
	} else {
		log.Info("Pulled an image that was asked for")
	}
	err = a.cfg.Store.UpdateHostImage(ctx, a.cfg.Name, one.UUID, func(i *capsule.HostImage) { pulled(i, one.AskedAt, img, why, began) })
	if err != nil && !errdefs.IsNotFound(err) && ctx.Err() == nil {
		log.WithError(err).Warn("Cannot write what became of a pull, trying again")
	}
}

// pulled takes over what became of a try that began then. Who has asked again meanwhile gets another.
func pulled(i *capsule.HostImage, asked time.Time, img runtime.Image, why *image.Error, began time.Time) {
	if !i.AskedAt.Equal(asked) {
		return
	}
	if i.TriedAt.Before(asked) {
		i.Tries = 0
	}
	i.Tries++
	i.TriedAt = later(began, asked) // their clocks may differ
	if why == nil {
		i.ImageID, i.SizeBytes, i.Failure, i.Final = img.ID, img.SizeBytes, "", false
		return
	}
	i.Failure = why.Error()
	i.Final = i.Tries >= pullTries || why.Reason != "" || errdefs.IsNotFound(why) || errdefs.IsPermissionDenied(why)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// pullPolicy translates Zun's word; who asks for a pull and says nothing wants one.
func pullPolicy(word string) corev1.PullPolicy {
	switch word {
	case "never":
		return corev1.PullNever
	case "ifnotpresent":
		return corev1.PullIfNotPresent
	default:
		return corev1.PullAlways
	}
}

// set is a set of names for several goroutines.
type set struct {
	mu  sync.Mutex
	has map[string]bool
}

func newSet() *set { return &set{has: map[string]bool{}} }

// add is false when the name is in it already.
func (s *set) add(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has[name] {
		return false
	}
	s.has[name] = true
	return true
}

func (s *set) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.has, name)
}
