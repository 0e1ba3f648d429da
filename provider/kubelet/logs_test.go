package kubelet

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Which log is meant follows from what the status shows, and the words when there is none are the kubelet's.
func TestLogTarget(t *testing.T) {
	run := func(id string, ended bool) *capsule.Run {
		r := &capsule.Run{ID: id, StartedAt: time.Unix(1, 0)}
		if ended {
			r.FinishedAt, r.ExitCode = time.Unix(2, 0), 1
		}
		return r
	}
	for name, c := range map[string]struct {
		facts    capsule.ContainerFacts
		previous bool
		before   bool
		refused  string
	}{
		"running":                    {facts: capsule.ContainerFacts{Run: run("b", false)}},
		"running, no attempt before": {capsule.ContainerFacts{Run: run("b", false)}, true, false, `previous terminated container "x" in pod "p" not found`},
		"running, one before":        {capsule.ContainerFacts{Run: run("b", false), Last: run("a", true)}, true, true, ""},
		"backing off, the last":      {facts: capsule.ContainerFacts{Run: run("b", true), Last: run("a", true), BackOffSeconds: 10}},
		"backing off, before":        {facts: capsule.ContainerFacts{Run: run("b", true), Last: run("a", true), BackOffSeconds: 10}, previous: true},
		"not created":                {facts: capsule.ContainerFacts{}, refused: `container "x" in pod "p" is waiting to start: ContainerCreating`},
	} {
		c.facts.Name = "x"
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x"}}}}
		pod.Name = "p"
		p := shown(pod, &capsule.Capsule{Facts: capsule.Facts{Containers: []capsule.ContainerFacts{c.facts}}})
		before, err := logTarget(&p, "x", c.previous)
		if before != c.before || text(err) != c.refused {
			t.Errorf("%s: %v, %v", name, before, err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A status alone says which container's log it is (kubelet: validateContainerLogStatus).
func TestLogID(t *testing.T) {
	waiting := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
	}
	ended := func(id string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: id}}
	}
	for name, c := range map[string]struct {
		status   corev1.ContainerStatus
		previous bool
		id, why  string
	}{
		"running":                         {corev1.ContainerStatus{ContainerID: "now", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, false, "now", ""},
		"ended":                           {corev1.ContainerStatus{State: ended("end"), LastTerminationState: ended("before")}, false, "end", ""},
		"ended, before":                   {corev1.ContainerStatus{State: ended("end"), LastTerminationState: ended("before")}, true, "before", ""},
		"ended without a container":       {corev1.ContainerStatus{State: ended(""), LastTerminationState: ended("before")}, false, "before", ""},
		"ended, never had a container":    {corev1.ContainerStatus{State: ended("")}, false, "", "is terminated"},
		"waits after an end":              {corev1.ContainerStatus{State: waiting("CrashLoopBackOff"), LastTerminationState: ended("before")}, false, "before", ""},
		"waits for its image":             {corev1.ContainerStatus{State: waiting("ErrImagePull")}, false, "", "is waiting to start: image can't be pulled"},
		"waits to try again":              {corev1.ContainerStatus{State: waiting("ImagePullBackOff")}, false, "", "is waiting to start: trying and failing to pull image"},
		"waits for init containers":       {corev1.ContainerStatus{State: waiting("PodInitializing")}, false, "", "is waiting to start: PodInitializing"},
		"is in no state":                  {corev1.ContainerStatus{}, false, "", "is waiting to start - no logs yet"},
		"has no container before":         {corev1.ContainerStatus{State: ended("end")}, true, "", "not found"},
		"the one before has no container": {corev1.ContainerStatus{LastTerminationState: ended("")}, true, "", "not found"},
	} {
		if id, why := logID(&c.status, c.previous); id != c.id || !strings.HasSuffix(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s: %q, %q", name, id, why)
		}
	}
}

func TestLogQuery(t *testing.T) {
	now := time.Unix(1000, 0)
	q, _, err := parseLogQuery(url.Values{"sinceSeconds": {"10"}, "follow": {"true"}, "tailLines": {"0"}}, now)
	if err != nil || !q.Since.Equal(time.Unix(990, 0)) || !q.Follow || q.Tail != 0 {
		t.Errorf("%+v %v", q, err)
	}
	if q, _, err := parseLogQuery(url.Values{"stream": {"Stderr"}, "limitBytes": {"7"}}, now); err != nil || q.Stream != capsule.Stderr || q.limit != 7 {
		t.Errorf("%+v %v", q, err)
	}
	for query, want := range map[string]logQuery{
		"follow=&timestamps=yes&previous=1": {LogOptions: capsule.LogOptions{Follow: true, Timestamps: true, Tail: -1}, previous: true},
		"follow=FALSE&previous=0&tail=5":    {LogOptions: capsule.LogOptions{Tail: 5}},
		"tail=all&tailLines=3":              {LogOptions: capsule.LogOptions{Tail: -1}},
	} {
		v, _ := url.ParseQuery(query)
		if q, _, err := parseLogQuery(v, now); err != nil || q != want {
			t.Errorf("%s: %+v, %v", query, q, err)
		}
	}
	for _, all := range []url.Values{nil, {"stream": {"All"}}} {
		if q, _, err := parseLogQuery(all, now); err != nil || q.Tail != -1 || q.limit != 0 || q.Stream != "" {
			t.Errorf("%+v %v", q, err)
		}
	}
	for bad, want := range map[string]struct {
		status int
		words  string
	}{
		"tailLines=x":     {400, "is no number"},
		"sinceTime=now":   {400, "no RFC 3339 time"},
		"tailLines=-1":    {422, "tailLines: Invalid value: -1: must be greater than or equal to 0"},
		"limitBytes=0":    {422, "limitBytes: Invalid value: 0: must be greater than 0"},
		"sinceSeconds=0":  {422, "sinceSeconds: Invalid value: 0: must be greater than 0"},
		"stream=Standard": {422, `stream: Unsupported value: "Standard": supported values: "All", "Stderr", "Stdout"`},
		"sinceSeconds=1&sinceTime=1970-01-01T00:00:00Z": {422, "at most one of `sinceTime` or `sinceSeconds` may be specified"},
		"stream=Stderr&tailLines=1":                     {422, "`tailLines` and specific `stream` are mutually exclusive for now"},
	} {
		v, _ := url.ParseQuery(bad)
		if _, status, err := parseLogQuery(v, now); status != want.status || !strings.Contains(text(err), want.words) {
			t.Errorf("%s: %d, %v", bad, status, err)
		}
	}
}

// broken is a log that breaks off.
type broken struct {
	*endpoint
	cause error
}

func (b broken) Logs(context.Context, string, string, bool, capsule.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("one\n"), failing{b.cause})), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A log that breaks off does not look like one that is over: neither to who reads the connection nor to who reads the text.
func TestLogBreaksOff(t *testing.T) {
	w := newEndpoint(t)
	w.server.cfg.Containers = broken{w, errors.New("the engine is gone")} // before the first request
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/containerLogs/shop/web/a?follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin")
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || err == nil ||
		string(b) != "one\n\nthe log of container \"a\" in pod \"web\" broke off: the engine is gone\n" {
		t.Errorf("%s, %q, %v", resp.Status, b, err)
	}
}
