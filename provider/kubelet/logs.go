package kubelet

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// logQuery is what a log request asks for.
type logQuery struct {
	capsule.LogOptions
	previous bool
	limit    int64 // bytes, 0 for all
}

// containerLogs serves kubectl logs, with the answers of the kubelet (kubelet: server.go, getContainerLogs).
func (k *Server) containerLogs(w http.ResponseWriter, r *http.Request) {
	q, status, err := parseLogQuery(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	namespace, name, container := r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container")
	p, ok := k.cfg.Pods.Named(namespace, name)
	if !ok {
		http.Error(w, fmt.Sprintf("pod %q does not exist", name), http.StatusNotFound)
		return
	}
	if !inSpec(p.Pod, container) {
		http.Error(w, fmt.Sprintf("container %q not found in pod %q", container, name), http.StatusNotFound)
		return
	}
	previous, err := logTarget(&p, container, q.previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := k.cfg.Containers.Logs(r.Context(), string(p.UID), container, previous, q.LogOptions)
	if err != nil {
		http.Error(w, err.Error(), httpStatus(err))
		return
	}
	defer body.Close()
	w.Header().Set("Content-Type", "text/plain")
	var from io.Reader = body
	if q.limit > 0 {
		from = io.LimitReader(body, q.limit)
	}
	if err := k.limits.copy(w, from); err != nil && r.Context().Err() == nil {
		// The API server passes an answer that breaks off on as one that is complete. Words are what gets through to the
		// user, and the kubelet writes its own there too.
		_, _ = fmt.Fprintf(w, "\nthe log of container %q in pod %q broke off: %v\n", container, name, err)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func inSpec(p *corev1.Pod, container string) bool {
	named := func(c corev1.Container) bool { return c.Name == container }
	return slices.ContainsFunc(p.Spec.InitContainers, named) || slices.ContainsFunc(p.Spec.Containers, named) ||
		slices.ContainsFunc(p.Spec.EphemeralContainers, func(c corev1.EphemeralContainer) bool { return c.Name == container })
}

// logTarget decides whether the log of the newest attempt is meant or that of the one before, or says in the kubelet's words
// why there is none.
func logTarget(p *Pod, container string, previous bool) (before bool, err error) {
	shown := containerStatus(p, container)
	if shown == nil {
		return false, fmt.Errorf("container %q in pod %q is not available", container, p.Name)
	}
	id, why := logID(shown, previous)
	if why != "" {
		return false, fmt.Errorf(why, container, p.Name)
	}
	if p.Capsule != nil {
		if facts := p.Capsule.Facts.Container(container); facts != nil {
			switch {
			case facts.Run != nil && strings.HasSuffix(id, "//"+facts.Run.ID):
				return false, nil
			case facts.Last != nil && strings.HasSuffix(id, "//"+facts.Last.ID):
				return true, nil
			}
		}
	}
	return false, fmt.Errorf("unable to retrieve container logs for %s", id)
}

// logID chooses the container as the kubelet does, by what the status shows; why is a format for the names of the container and
// the pod (kubelet: kubelet_pods.go, validateContainerLogStatus).
func logID(shown *corev1.ContainerStatus, previous bool) (id, why string) {
	const ended = "container %q in pod %q is terminated"
	last, now := shown.LastTerminationState.Terminated, shown.State
	switch {
	case previous:
		if last == nil || last.ContainerID == "" {
			return "", "previous terminated container %q in pod %q not found"
		}
		return last.ContainerID, ""
	case now.Running != nil:
		return shown.ContainerID, ""
	case now.Terminated != nil && now.Terminated.ContainerID != "":
		return now.Terminated.ContainerID, ""
	case last != nil && last.ContainerID != "":
		return last.ContainerID, ""
	case now.Terminated != nil || last != nil:
		return "", ended
	case now.Waiting == nil:
		return "", "container %q in pod %q is waiting to start - no logs yet"
	}
	reason := now.Waiting.Reason
	switch reason {
	case "ErrImagePull":
		reason = "image can't be pulled"
	case "ImagePullBackOff":
		reason = "trying and failing to pull image"
	}
	return "", "container %q in pod %q is waiting to start: " + strings.ReplaceAll(reason, "%", "%%")
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

// logStreams are the values of stream (corev1.PodLogOptions).
var logStreams = map[string]capsule.Stream{corev1.LogStreamAll: "", corev1.LogStreamStdout: capsule.Stdout, corev1.LogStreamStderr: capsule.Stderr}

// parseLogQuery reads the kubelet's query (corev1.PodLogOptions). What it refuses, and with which words and status, is the
// kubelet's (core/validation, ValidatePodLogOptions): 400 for what cannot be read, 422 for what is not allowed. tail is what
// tailLines was called once.
func parseLogQuery(v url.Values, now time.Time) (q logQuery, status int, err error) {
	if tail := v.Get("tail"); tail != "" {
		v = maps.Clone(v)
		if v.Set("tailLines", tail); tail == "all" {
			v.Del("tailLines")
		}
	}
	q.Tail = -1
	p := logParser{values: v}
	q.Follow, q.Timestamps, q.previous = p.flag("follow"), p.flag("timestamps"), p.flag("previous")
	tail, limit, seconds := p.number("tailLines"), p.number("limitBytes"), p.number("sinceSeconds")
	since := v.Get("sinceTime")
	if since != "" {
		t, err := time.Parse(time.RFC3339, since)
		if err != nil {
			p.fail("sinceTime: %q is no RFC 3339 time", since)
		}
		q.Since = t
	}
	if p.err != nil {
		return q, http.StatusBadRequest, p.err
	}
	var refused field.ErrorList
	if tail != nil {
		if q.Tail = *tail; q.Tail < 0 {
			refused = append(refused, field.Invalid(field.NewPath("tailLines"), *tail, "must be greater than or equal to 0"))
		}
	}
	if limit != nil {
		if q.limit = *limit; q.limit < 1 {
			refused = append(refused, field.Invalid(field.NewPath("limitBytes"), *limit, "must be greater than 0"))
		}
	}
	switch {
	case seconds == nil:
	case since != "":
		refused = append(refused, field.Forbidden(field.NewPath(""), "at most one of `sinceTime` or `sinceSeconds` may be specified"))
	case *seconds < 1:
		refused = append(refused, field.Invalid(field.NewPath("sinceSeconds"), *seconds, "must be greater than 0"))
	default:
		q.Since = now.Add(-time.Duration(*seconds) * time.Second)
	}
	wanted := cmp.Or(v.Get("stream"), corev1.LogStreamAll)
	stream, known := logStreams[wanted]
	if !known {
		refused = append(refused, field.NotSupported(field.NewPath("stream"), wanted, slices.Sorted(maps.Keys(logStreams))))
	}
	if q.Stream = stream; wanted != corev1.LogStreamAll && tail != nil {
		refused = append(refused, field.Forbidden(field.NewPath(""), "`tailLines` and specific `stream` are mutually exclusive for now"))
	}
	if err := refused.ToAggregate(); err != nil {
		return q, http.StatusUnprocessableEntity, err
	}
	return q, http.StatusOK, nil
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

// flag is true with every value but 0 and false, also with none, as in every query of Kubernetes.
func (p *logParser) flag(name string) (is bool) {
	list := p.values[name]
	if err := runtime.Convert_Slice_string_To_bool(&list, &is, nil); err != nil {
		p.fail("%s: %v", name, err)
	}
	return is
}

// number is nil when it is not given.
func (p *logParser) number(name string) *int64 {
	s := p.values.Get(name)
	if s == "" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		p.fail("%s: %q is no number", name, s)
		return nil
	}
	return &n
}

// copy passes bytes on as they come, and returns why there are no more before the end. Who does not take them is cut off.
func (l *limits) copy(w http.ResponseWriter, from io.Reader) error {
	to := http.NewResponseController(w)
	_ = to.Flush() // an empty log that is followed shows that it is there
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			_ = to.SetWriteDeadline(time.Now().Add(l.stalled)) // a writer without deadlines is no connection
			if _, werr := w.Write(buf[:n]); werr != nil {
				return nil //nolint:nilerr // nobody is there to be told
			}
			_ = to.Flush()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
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
