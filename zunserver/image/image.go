// Package image makes sure that an image is on its host before a container is made of it: pull policies, and one pull at
// a time for each image of a host, whoever asks for it.
package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// pullDeadline bounds one pull; a slow registry makes it fail and be tried again, with what came already kept.
const pullDeadline = 15 * time.Minute

// askDeadline is for asking the host whether it is there.
const askDeadline = 3 * time.Second

// The reasons of failures that Kubernetes has its own words for (pkg/kubelet/images/types.go).
const (
	ReasonNeverPull   = "ErrImageNeverPull"
	ReasonInvalidName = "InvalidImageName"
)

// Error is why an image is not there.
type Error struct {
	// Reason is one of the constants above, or empty for a pull that failed.
	Reason string
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause with its class.
func (e *Error) Unwrap() error { return e.Err }

// Puller serves one host. It is safe for concurrent use.
type Puller struct {
	images runtime.Images

	mu      sync.Mutex
	flights map[string]*flight // by key
}

// flight is a pull under way and those who wait for it.
type flight struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{} // closed when image and err are set
	image   runtime.Image
	err     error
}

// NewPuller returns the puller of a host.
func NewPuller(images runtime.Images) *Puller {
	return &Puller{images: images, flights: map[string]*flight{}}
}

// Request is an image that somebody needs.
type Request struct {
	Ref    string
	Policy corev1.PullPolicy
	// Credentials are tried one after another; with none the image is pulled without.
	Credentials []capsule.Credential
	// Tell, which may be nil, is called when a pull begins and when the image is there.
	Tell func(capsule.Pull)
}

func (r *Request) tell(p capsule.Pull) {
	if r.Tell != nil {
		r.Tell(p)
	}
}

// Ensure returns the image, pulled if the policy asks for it. Its error is an *Error or of the class Unavailable when
// the host does not answer. A caller that gives up leaves the pull to the others who wait for it; the last one ends it.
func (p *Puller) Ensure(ctx context.Context, r Request) (runtime.Image, error) {
	ref, policy, began := r.Ref, r.Policy, time.Now()
	if _, err := reference.ParseNormalizedNamed(ref); err != nil { // the kubelet's words (pkg/util/parsers)
		return runtime.Image{}, &Error{Reason: ReasonInvalidName, Err: fmt.Errorf("couldn't parse image name %q: %w", ref, err)}
	}
	if policy != corev1.PullAlways {
		img, err := p.images.Image(ctx, ref)
		switch {
		case err == nil:
			r.tell(capsule.Pull{StartedAt: began, FinishedAt: began, SizeBytes: img.SizeBytes, Present: true})
			return img, nil
		case errdefs.IsInvalidArgument(err):
			return img, &Error{Reason: ReasonInvalidName, Err: fmt.Errorf("image name %q: %w", ref, err)}
		case !errdefs.IsNotFound(err):
			return img, fmt.Errorf("looking for image %s: %w", ref, err)
		case policy == corev1.PullNever:
			return img, &Error{
				Reason: ReasonNeverPull,
				Err:    fmt.Errorf("container image %q is not present with pull policy of Never: %w", ref, err),
			}
		}
	}
	r.tell(capsule.Pull{StartedAt: began})
	img, err := p.join(ctx, &r)
	switch {
	case err == nil:
		r.tell(capsule.Pull{StartedAt: began, FinishedAt: time.Now(), SizeBytes: img.SizeBytes})
		return img, nil
	case ctx.Err() != nil:
		return img, ctx.Err()
	case p.hostIsGone(ctx, ref, err):
		return img, fmt.Errorf("pulling image %s: %w", ref, err)
	case errdefs.IsInvalidArgument(err):
		return img, &Error{Reason: ReasonInvalidName, Err: err}
	default:
		return img, &Error{Err: err}
	}
}

// hostIsGone tells a host that does not answer from a registry that does not: the host is asked for something of its own.
func (p *Puller) hostIsGone(ctx context.Context, ref string, err error) bool {
	if !errdefs.IsUnavailable(err) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	_, err = p.images.Image(ctx, ref)
	return errdefs.IsUnavailable(err) || ctx.Err() != nil
}

// join waits for the pull of the request, which the first one begins.
func (p *Puller) join(ctx context.Context, r *Request) (runtime.Image, error) {
	key := r.key()
	p.mu.Lock()
	f := p.flights[key]
	if f == nil {
		pulling, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullDeadline)
		f = &flight{cancel: cancel, done: make(chan struct{})}
		p.flights[key] = f
		go p.fly(pulling, key, f, *r)
	}
	f.waiters++
	p.mu.Unlock()
	select {
	case <-f.done:
		return f.image, f.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		p.land(key, f) // who comes now begins anew
	}
	return runtime.Image{}, ctx.Err()
}

// fly pulls for all who wait.
func (p *Puller) fly(ctx context.Context, key string, f *flight, r Request) {
	defer f.cancel()
	f.image, f.err = p.pull(ctx, r.Ref, r.Credentials)
	p.mu.Lock()
	p.land(key, f)
	p.mu.Unlock()
	close(f.done)
}

// land forgets a flight; the lock is held.
func (p *Puller) land(key string, f *flight) {
	if p.flights[key] == f {
		delete(p.flights, key)
	}
}

// pull tries the credentials one after another.
func (p *Puller) pull(ctx context.Context, ref string, credentials []capsule.Credential) (runtime.Image, error) {
	if len(credentials) == 0 {
		return p.images.Pull(ctx, ref, nil, nil)
	}
	var errs []error
	for _, c := range credentials {
		img, err := p.images.Pull(ctx, ref, &runtime.RegistryAuth{
			Username: c.Username, Password: c.Password, ServerAddress: c.Server,
		}, nil)
		if err == nil {
			return img, nil
		}
		if errs = append(errs, err); ctx.Err() != nil || errdefs.IsInvalidArgument(err) {
			break
		}
	}
	return runtime.Image{}, errors.Join(errs...)
}

// key keeps those apart who pull one image with different credentials: one's right is not the other's.
func (r *Request) key() string {
	sum := sha256.New()
	for _, c := range r.Credentials {
		fmt.Fprintf(sum, "%q %q %q\n", c.Server, c.Username, c.Password)
	}
	return r.Ref + " " + string(sum.Sum(nil))
}
