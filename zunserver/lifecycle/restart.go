package lifecycle

import (
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// The back-off of restarts and pulls: the kubelet's (pkg/kubelet/kubelet.go, backOffPeriod and MaxContainerBackOff).
const (
	firstBackOff = 10 * time.Second
	maxBackOff   = 300 * time.Second
	// calm is how long a run has to last for the back-off to start anew.
	calm = 2 * maxBackOff
	// fresh is how long a failure is shown as itself before it is shown as backing off.
	fresh = 2 * time.Second
	// The back-off of what is not a pull and not a restart: these causes (a missing directory, an engine's hiccup) go
	// sooner.
	firstRetry = time.Second
	maxRetry   = 60 * time.Second
)

// backOffAfter is the back-off that the run which follows prev gets, given the back-off that prev had.
func backOffAfter(before int64, prev, next *capsule.Run) int64 {
	began := prev.StartedAt
	if began.IsZero() {
		began = prev.CreatedAt
	}
	d := 2 * time.Duration(before) * time.Second
	if d < firstBackOff || next.CreatedAt.Sub(began) > calm {
		d = firstBackOff
	}
	return int64(min(d, maxBackOff) / time.Second)
}

// Fail adds one more failure of an operation to the one before, which may be nil.
func Fail(before *capsule.Failure, kind capsule.FailureKind, reason, message string, now time.Time) *capsule.Failure {
	f := &capsule.Failure{Kind: kind, Reason: reason, Message: message, At: now, Count: 1}
	if before != nil && before.Kind == kind {
		f.Count = before.Count + 1
		f.BackingOff = before.BackingOff && before.Message == message && kind != capsule.FailedPull
	}
	first, most := firstRetry, maxRetry
	if kind == capsule.FailedPull {
		first, most = firstBackOff, maxBackOff
	}
	d := most
	if f.Count < 10 {
		d = min(first<<(f.Count-1), most)
	}
	f.RetryAt = now.Add(d)
	return f
}
