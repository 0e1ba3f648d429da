// Package image makes sure that an image is on its host before a container is made of it: pull policies, and one pull at
// a time for each image of a host, whoever asks for it.
package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// pullDeadline bounds one pull; a slow registry makes it fail and be tried again, with what came already kept.
const pullDeadline = 15 * time.Minute

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
	flight singleflight.Group
}

// NewPuller returns the puller of a host.
func NewPuller(images runtime.Images) *Puller { return &Puller{images: images} }

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
// the host does not answer. A caller that gives up leaves the pull to the others who wait for it.
func (p *Puller) Ensure(ctx context.Context, r Request) (runtime.Image, error) {
	ref, policy, began := r.Ref, r.Policy, time.Now()
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
	done := p.flight.DoChan(r.key(), func() (any, error) {
		pulling, cancel := context.WithTimeout(context.WithoutCancel(ctx), pullDeadline)
		defer cancel()
		return p.pull(pulling, ref, r.Credentials)
	})
	select {
	case <-ctx.Done():
		return runtime.Image{}, ctx.Err()
	case answer := <-done:
		if answer.Err == nil {
			img := answer.Val.(runtime.Image)
			r.tell(capsule.Pull{StartedAt: began, FinishedAt: time.Now(), SizeBytes: img.SizeBytes})
			return img, nil
		}
		reason := ""
		if errdefs.IsInvalidArgument(answer.Err) {
			reason = ReasonInvalidName
		}
		return runtime.Image{}, &Error{Reason: reason, Err: answer.Err}
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
