package probe

// state counts results in a row. It is pure.
type state struct {
	kind                Kind
	successes, failures int32
	// good is the verdict; it changes only when a threshold is reached.
	good bool
}

// Kind is the kind of a probe.
type Kind string

// The kinds of probes; the words are the kubelet's, as in its events.
const (
	Startup   Kind = "Startup"
	Liveness  Kind = "Liveness"
	Readiness Kind = "Readiness"
)

func newState(k Kind) state { return state{kind: k, good: k == Liveness} }

// next is the state after one more result.
func (s state) next(ok bool, successThreshold, failureThreshold int32) state {
	if ok {
		s.successes, s.failures = s.successes+1, 0
		if s.successes >= max(successThreshold, 1) {
			s.good = true
		}
		return s
	}
	s.successes, s.failures = 0, s.failures+1
	if s.failures >= max(failureThreshold, 1) && s.kind != Startup {
		s.good = false
	}
	return s
}

// fatal says whether the container has to be killed.
func (s state) fatal(failureThreshold int32) bool {
	return s.kind != Readiness && s.failures >= max(failureThreshold, 1)
}
