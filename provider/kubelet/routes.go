package kubelet

import (
	"cmp"
	"encoding/json"
	"net"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// route is one thing that may be asked. All of them are guarded: see gate.
type route struct {
	pattern string // method and path
	serve   http.HandlerFunc
	// lasting requests go on for as long as the asker likes; the others are over soon.
	lasting bool
}

// routes are all that the endpoint answers to.
func (k *Server) routes(address net.Addr) []route {
	list := []route{
		{pattern: "GET /healthz", serve: k.health},
		{pattern: "GET /healthz/{check}", serve: k.health},
		{pattern: "GET /pods", serve: k.listPods},
		{pattern: "GET /pods/{$}", serve: k.listPods},
		{pattern: "GET /runningpods", serve: k.listRunning},
		{pattern: "GET /runningpods/{$}", serve: k.listRunning},
		{pattern: "GET /configz", serve: func(w http.ResponseWriter, _ *http.Request) { k.configz(w, address) }},
		{pattern: "GET /logs", serve: k.systemLogs},
		{pattern: "GET /logs/{file...}", serve: k.systemLogs},
		{pattern: "GET /containerLogs/{namespace}/{pod}/{container}", serve: k.containerLogs, lasting: true},
		{pattern: "POST /checkpoint/{namespace}/{pod}/{container}", serve: notImplemented},
	}
	return slices.Concat(list, k.statsRoutes(), k.sessionRoutes())
}

// handler is everything from a connection to an answer.
func (k *Server) handler(address net.Addr) http.Handler {
	mux := http.NewServeMux()
	for _, r := range k.routes(address) {
		if r.lasting {
			mux.Handle(r.pattern, admit(k.lasting, r.serve))
		} else {
			mux.Handle(r.pattern, admit(k.short, k.limits.hurry(r.serve)))
		}
	}
	return k.cfg.Metrics.Count(k.gate.guard(mux))
}

func notImplemented(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "capsulet does not implement "+r.URL.Path, http.StatusNotImplemented)
}

// health serves /healthz and its parts (k8s.io/apiserver, healthz): that this process answers, and that it takes care of pods. A kubelet
// looks whether its log is stuck; here that holds nothing up.
func (k *Server) health(w http.ResponseWriter, r *http.Request) {
	checks, only := []string{"ping", "log", "syncloop"}, r.PathValue("check")
	query := r.URL.Query()
	if only != "" {
		if !slices.Contains(checks, only) {
			http.NotFound(w, r)
			return
		}
		checks = []string{only}
	}
	var text string
	failed := false
	for _, name := range checks {
		if only == "" && slices.Contains(query["exclude"], name) {
			text += "[+]" + name + " excluded: ok\n"
			continue
		}
		var err error
		if name == "syncloop" {
			err = k.cfg.Pods.Healthy()
		}
		if err != nil {
			failed = true
			k.cfg.Log.WithError(err).WithField("check", name).Error("not healthy")
			text += "[-]" + name + " failed: reason withheld\n"
		} else {
			text += "[+]" + name + " ok\n"
		}
	}
	switch {
	case failed && only != "":
		http.Error(w, "internal server error: see the log for the reason", http.StatusInternalServerError)
	case failed:
		http.Error(w, text+"healthz check failed", http.StatusInternalServerError)
	case query.Has("verbose") && only == "":
		_, _ = w.Write([]byte(text + "healthz check passed\n")) // the asker is gone if this fails
	default:
		_, _ = w.Write([]byte("ok")) // the same
	}
}

// listPods serves /pods: the pods that this node is to run.
func (k *Server) listPods(w http.ResponseWriter, r *http.Request) {
	all, err := k.cfg.Pods.GetPods(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	list := make([]corev1.Pod, 0, len(all))
	for _, p := range all {
		list = append(list, *p)
	}
	writePods(w, list)
}

// listRunning serves /runningpods: the pods that have something running, with no more of them than a runtime knows.
func (k *Server) listRunning(w http.ResponseWriter, _ *http.Request) {
	list := []corev1.Pod{}
	for _, p := range k.cfg.Pods.Present() {
		if p.Capsule == nil {
			continue
		}
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID}}
		for i := range p.Capsule.Facts.Containers {
			if c := &p.Capsule.Facts.Containers[i]; c.Run.State() == capsule.StateRunning {
				pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: c.Name, Image: cmp.Or(c.Run.ImageID, c.Run.Image)})
			}
		}
		if len(pod.Spec.Containers) > 0 || p.Capsule.Facts.Sandbox.Ready {
			list = append(list, pod)
		}
	}
	writePods(w, list)
}

func writePods(w http.ResponseWriter, pods []corev1.Pod) {
	writeJSON(w, corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: pods})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the asker is gone if this fails
}
