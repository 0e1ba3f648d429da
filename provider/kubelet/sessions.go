package kubelet

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
)

// sessionPaths are where a session begins, whatever the method: see auth.go.
var sessionPaths = []string{"/exec/", "/attach/", "/run/", "/portForward/"}

func (k *Server) sessionRoutes() (list []route) {
	add := func(pattern string, serve http.HandlerFunc) {
		list = append(list, route{pattern: pattern, serve: serve, lasting: true})
	}
	for _, uid := range []string{"", "/{uid}"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			add(method+" /exec/{namespace}/{pod}"+uid+"/{container}", k.exec)
			add(method+" /attach/{namespace}/{pod}"+uid+"/{container}", k.attach)
			add(method+" /portForward/{namespace}/{pod}"+uid, k.portForward)
		}
		add("POST /run/{namespace}/{pod}"+uid+"/{container}", k.run)
	}
	return list
}

func (k *Server) exec(w http.ResponseWriter, r *http.Request) {
	k.stream(w, r, "exec", "container not found (%q)")
}

func (k *Server) attach(w http.ResponseWriter, r *http.Request) {
	k.stream(w, r, "attach", "container %s not found in pod "+r.PathValue("pod")+"_"+r.PathValue("namespace"))
}

// stream hands exec and attach on to the capsule API. A container that does not run is not found, as the kubelet has it
// (kubelet: kubelet_pods.go, GetExec and GetAttach), with the status that it answers such an error with.
func (k *Server) stream(w http.ResponseWriter, r *http.Request, action, notFound string) {
	params, err := streamParams(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p, ok := k.podOf(w, r)
	if !ok {
		return
	}
	container := r.PathValue("container")
	if !runs(p, container) {
		http.Error(w, fmt.Sprintf(notFound, container), http.StatusInternalServerError)
		return
	}
	if !upgrades(w, r) {
		return
	}
	params.Set("container", container)
	k.cfg.Containers.Session(w, r, string(p.UID), action, params)
}

// portForward serves kubectl port-forward. A pod without a sandbox is not found (kubelet: kubelet_pods.go, GetPortForward).
func (k *Server) portForward(w http.ResponseWriter, r *http.Request) {
	params := url.Values{}
	for _, list := range r.URL.Query()[corev1.PortHeader] { // of WebSockets; SPDY names them in its streams
		params["ports"] = append(params["ports"], strings.Split(list, ",")...)
	}
	p, ok := k.podOf(w, r)
	switch {
	case !ok:
	case !stands(p):
		http.Error(w, fmt.Sprintf("pod not found (%q)", p.Name+"_"+p.Namespace), http.StatusInternalServerError)
	case upgrades(w, r):
		k.cfg.Containers.Session(w, r, string(p.UID), "portforward", params)
	}
}

// upgrades says whether the connection is to leave HTTP, and answers if not: what the capsule API would do with a command then, nobody
// would hear of (kubelet: server.go, proxyStream).
func upgrades(w http.ResponseWriter, r *http.Request) bool {
	is := httpstream.IsUpgradeRequest(r)
	if !is {
		http.Error(w, "Upgrade request required", http.StatusBadRequest)
	}
	return is
}

// run serves the kubelet's command without a session (kubelet: server.go, getRun).
func (k *Server) run(w http.ResponseWriter, r *http.Request) {
	p, ok := k.podOf(w, r)
	if !ok {
		return
	}
	container := r.PathValue("container")
	if !runs(p, container) {
		http.Error(w, fmt.Sprintf("container not found (%q)", container), http.StatusInternalServerError)
		return
	}
	command := strings.Split(r.URL.Query().Get("cmd"), " ")
	output, code, err := k.cfg.Containers.Run(r.Context(), string(p.UID), container, command)
	switch {
	case err != nil:
		http.Error(w, err.Error(), httpStatus(err))
	case code != 0:
		http.Error(w, fmt.Sprintf("command '%s' exited with %d: %s", strings.Join(command, " "), code, output),
			http.StatusInternalServerError)
	default:
		_, _ = w.Write(output) // the asker is gone if this fails
	}
}

// podOf finds the pod of the path, or answers that there is none.
func (k *Server) podOf(w http.ResponseWriter, r *http.Request) (*Pod, bool) {
	p, ok := k.cfg.Pods.Named(r.PathValue("namespace"), r.PathValue("pod"))
	if uid := r.PathValue("uid"); ok && uid != "" && uid != string(p.UID) {
		ok = false
	}
	if !ok {
		http.Error(w, "pod does not exist", http.StatusNotFound)
	}
	return &p, ok
}

// runs says whether the container has a process to talk to.
func runs(p *Pod, container string) bool {
	shown := containerStatus(p, container)
	return shown != nil && shown.State.Running != nil
}

// stands says whether the pod has a sandbox to connect to.
func stands(p *Pod) bool { return p.Capsule != nil && p.Capsule.Facts.Sandbox.Ready }

// streamParams translates the kubelet's parameters (corev1, ExecStdinParam and its like).
func streamParams(q url.Values) (url.Values, error) {
	params := url.Values{}
	for from, to := range map[string]string{
		corev1.ExecStdinParam: "stdin", corev1.ExecStdoutParam: "stdout", corev1.ExecStderrParam: "stderr", corev1.ExecTTYParam: "tty",
	} {
		if v := q.Get(from); v == "1" || v == "true" {
			params.Set(to, "true")
		}
	}
	if !params.Has("stdin") && !params.Has("stdout") && !params.Has("stderr") {
		return nil, fmt.Errorf("you must specify at least 1 of stdin, stdout, stderr")
	}
	if command := q[corev1.ExecCommandParam]; len(command) > 0 {
		params["command"] = command
	}
	return params, nil
}
