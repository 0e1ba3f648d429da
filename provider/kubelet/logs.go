package kubelet

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// logQuery is what a log request asks for.
type logQuery struct {
	capsule.LogOptions
	previous bool
	limit    int64 // bytes, 0 for all
}

// containerLogs serves kubectl logs.
func (k *Server) containerLogs(w http.ResponseWriter, r *http.Request) {
	q, err := parseLogQuery(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	namespace, name, container := r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container")
	p, ok := k.cfg.Pods.Named(namespace, name)
	if !ok {
		http.Error(w, fmt.Sprintf("pod %q does not exist", name), http.StatusNotFound)
		return
	}
	previous, status, message := logTarget(&p, container, q.previous)
	if status != http.StatusOK {
		http.Error(w, message, status)
		return
	}
	body, err := k.cfg.Containers.Logs(r.Context(), string(p.UID), container, previous, q.LogOptions)
	if err != nil {
		http.Error(w, err.Error(), httpStatus(err))
		return
	}
	defer body.Close() //nolint:errcheck // it was only read
	w.Header().Set("Content-Type", "text/plain")
	var from io.Reader = body
	if q.limit > 0 {
		from = io.LimitReader(body, q.limit)
	}
	k.limits.copy(w, from)
}

// logTarget decides which attempt's log is meant, or says in the kubelet's words why there is none (kubelet: kubelet_pods.go,
// validateContainerLogStatus). The previous attempt is the one that the status shows as the last state: while a container
// waits for its next attempt that is the newest one.
func logTarget(p *Pod, container string, previous bool) (before bool, status int, message string) {
	shown := containerStatus(p, container)
	if shown == nil {
		return false, http.StatusNotFound, fmt.Sprintf("container %q not found in pod %q", container, p.Name)
	}
	var facts *capsule.ContainerFacts
	if p.Capsule != nil {
		facts = p.Capsule.Facts.Container(container)
	}
	last := shown.LastTerminationState.Terminated
	switch {
	case previous && (last == nil || facts == nil || facts.Run == nil):
		return false, http.StatusBadRequest, fmt.Sprintf("previous terminated container %q in pod %q not found", container, p.Name)
	case facts == nil || facts.Run == nil:
		reason := "ContainerCreating"
		if w := shown.State.Waiting; w != nil {
			reason = cmp.Or(w.Message, w.Reason)
		}
		return false, http.StatusBadRequest, fmt.Sprintf("container %q in pod %q is waiting to start: %s", container, p.Name, reason)
	}
	return previous && !strings.HasSuffix(last.ContainerID, "//"+facts.Run.ID), http.StatusOK, ""
}

// containerStatus is the container's part of the status that the pod has here, nil when it has no such container.
func containerStatus(p *Pod, container string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses,
		p.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == container {
				return &list[i]
			}
		}
	}
	return nil
}

// parseLogQuery reads the kubelet's query (corev1.PodLogOptions).
func parseLogQuery(v url.Values, now time.Time) (logQuery, error) {
	q := logQuery{LogOptions: capsule.LogOptions{Tail: -1}}
	p := logParser{values: v}
	q.Follow, q.Timestamps, q.previous = p.flag("follow"), p.flag("timestamps"), p.flag("previous")
	if n, ok := p.number("tailLines", 0); ok {
		q.Tail = n
	}
	if n, ok := p.number("limitBytes", 1); ok {
		q.limit = n
	}
	seconds, bySeconds := p.number("sinceSeconds", 1)
	if bySeconds {
		q.Since = now.Add(-time.Duration(seconds) * time.Second)
	}
	if s := v.Get("sinceTime"); s != "" {
		t, err := time.Parse(time.RFC3339, s)
		switch {
		case err != nil:
			p.fail("sinceTime: %q is no RFC 3339 time", s)
		case bySeconds:
			p.fail("at most one of sinceTime or sinceSeconds may be specified")
		}
		q.Since = t
	}
	if s := v.Get("stream"); s != "" && s != corev1.LogStreamAll {
		p.fail("stream: %q is not supported yet, only All", s)
	}
	return q, p.err
}

// logParser keeps the first error.
type logParser struct {
	values url.Values
	err    error
}

func (p *logParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *logParser) flag(name string) bool {
	s := p.values.Get(name)
	if s == "" {
		return false
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		p.fail("%s: %q is neither true nor false", name, s)
	}
	return b
}

func (p *logParser) number(name string, least int64) (int64, bool) {
	s := p.values.Get(name)
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least {
		p.fail("%s: %q is no number of at least %d", name, s, least)
		return 0, false
	}
	return n, true
}

// copy passes bytes on as they come. Who does not take them is cut off.
func (l *limits) copy(w http.ResponseWriter, from io.Reader) {
	to := http.NewResponseController(w)
	_ = to.Flush() // an empty log that is followed shows that it is there
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			_ = to.SetWriteDeadline(time.Now().Add(l.answer)) // a writer without deadlines is no connection
			if _, werr := w.Write(buf[:n]); werr != nil {
				return
			}
			_ = to.Flush()
		}
		if err != nil {
			return // the status line is long gone: an end is all that can be told
		}
	}
}

// httpStatus is the status for an error of the capsule API.
func httpStatus(err error) int {
	switch {
	case errdefs.IsNotFound(err):
		return http.StatusNotFound
	case errdefs.IsInvalidArgument(err), errdefs.IsFailedPrecondition(err):
		return http.StatusBadRequest
	case errdefs.IsNotImplemented(err):
		return http.StatusNotImplemented
	case errdefs.IsUnavailable(err):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
