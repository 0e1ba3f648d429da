package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/capsulet/capsulet/test/dev/stage"
)

// Scenario is one story in a namespace of its own.
type Scenario struct {
	*testing.T
	W         *World
	Namespace string
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// Begin opens a scenario. At the end of the test its namespace goes, and nothing of it may be left on the engine.
func Begin(t *testing.T, w *World) *Scenario {
	t.Helper()
	name := strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))
	name = strings.Trim(notName.ReplaceAllString(name, "-"), "-")
	s := &Scenario{T: t, W: w, Namespace: name[:min(len(name), 50)]}
	s.Must("create", "namespace", s.Namespace)
	t.Cleanup(s.end)
	return s
}

func (s *Scenario) end() {
	// The test's own context has ended when clean-up runs.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 2*time.Minute)
	defer cancel()
	if s.Failed() {
		s.bundle(ctx)
		if keep() {
			s.Logf("kept: namespace %s, kubeconfig %s", s.Namespace, s.W.ControlPlane.Kubeconfig)
			return
		}
	}
	// Pods before the namespace: when one does not go, the message is about that pod.
	_, err := s.W.Kubectl(ctx, "delete", "deploy,sts,rs,job,pod", "--all", "-n", s.Namespace, "--timeout=60s")
	_, nsErr := s.W.Kubectl(ctx, "delete", "namespace", s.Namespace, "--timeout=60s")
	if err := errors.Join(err, nsErr); err != nil {
		s.Errorf("clean up: %v", err)
	}
	if left := s.containers(ctx); left != "" {
		s.Errorf("containers left behind by pods of this scenario:\n%s", left)
	}
}

// containers lists those of this namespace's pods by the capsules' names: pods here are named after their scenario.
func (s *Scenario) containers(ctx context.Context) string {
	out, err := stage.Docker(ctx, "ps", "-a", "--filter", "label="+stage.InstanceLabel+"="+s.W.Instance,
		"--filter", "label=io.capsulet.capsule-name", "--format", `{{.Label "io.capsulet.capsule-name"}} {{.Names}} {{.Status}}`)
	if err != nil {
		return err.Error()
	}
	var mine []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, s.Namespace+"-") || strings.HasPrefix(line, s.Namespace+" ") {
			mine = append(mine, line)
		}
	}
	return strings.Join(mine, "")
}

// Must runs kubectl in the namespace and returns what it printed; failure ends the scenario.
func (s *Scenario) Must(args ...string) string {
	s.Helper()
	out, err := s.W.Kubectl(s.Context(), append([]string{"-n", s.Namespace}, args...)...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// Fields a manifest may use, as in {{.Name}}.
type fields struct{ Name, Image string }

// Apply applies a manifest. {{.Name}} is the scenario's name, which every object's name begins with; {{.Image}} the test
// image; {{pod N}} the lines that every pod spec here needs, indented by N.
func (s *Scenario) Apply(manifest string) {
	s.Helper()
	if out, err := s.apply(manifest); err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
}

func (s *Scenario) apply(manifest string) (string, error) {
	placement := `tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]
automountServiceAccountToken: false
nodeSelector: {kubernetes.io/hostname: ` + s.W.Node + `}
`
	t, err := template.New("manifest").Funcs(template.FuncMap{
		"pod": func(indent int) string {
			return strings.ReplaceAll(strings.TrimSpace(placement), "\n", "\n"+strings.Repeat(" ", indent))
		},
	}).Parse(manifest)
	if err != nil {
		return "", err
	}
	var doc strings.Builder
	if err := t.Execute(&doc, fields{s.Namespace, s.W.Image}); err != nil {
		return "", err
	}
	return s.W.kubectl(s.Context(), doc.String(), "-n", s.Namespace, "apply", "-f", "-")
}

// Wait is `kubectl wait`: it watches, so the state is seen the moment it is there.
func (s *Scenario) Wait(intent string, limit time.Duration, object, condition string) {
	s.Helper()
	_, err := s.W.Kubectl(s.Context(), "-n", s.Namespace, "wait", object, "--for="+condition, "--timeout="+limit.String())
	if err != nil {
		s.Fatalf("%s: %v", intent, err)
	}
}

// Eventually repeats look until it returns nil, for states that no watch tells of.
func (s *Scenario) Eventually(intent string, limit time.Duration, look func() error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatalf("%s: not within %s; last: %v", intent, limit, err)
		case <-tick.C:
		}
	}
}

// Prints waits until a kubectl command's output matches a regular expression.
func (s *Scenario) Prints(intent string, limit time.Duration, pattern string, args ...string) {
	s.Helper()
	re := regexp.MustCompile(pattern)
	s.Eventually(intent, limit, func() error {
		out, err := s.W.Kubectl(s.Context(), append([]string{"-n", s.Namespace}, args...)...)
		if err != nil {
			return err
		}
		if !re.MatchString(out) {
			return fmt.Errorf("kubectl %s prints %q, want %s", strings.Join(args, " "), out, pattern)
		}
		return nil
	})
}

// Get reads one jsonpath of an object.
func (s *Scenario) Get(object, path string) string {
	s.Helper()
	return s.Must("get", object, "-o", "jsonpath="+path)
}

// HTTP asks a pod's address: the test is on the engine's machine, as capsulet is.
func (s *Scenario) HTTP(method, pod, path string) (int, error) {
	address, err := s.W.Kubectl(s.Context(), "-n", s.Namespace, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+":8080"+path, nil)
	if err != nil {
		return 0, err
	}
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// Put changes what the pod's server does.
func (s *Scenario) Put(pod, path string) {
	s.Helper()
	s.Eventually("PUT "+path, 10*time.Second, func() error {
		code, err := s.HTTP(http.MethodPut, pod, path)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("status %d", code)
		}
		return err
	})
}

// bundle shows everything that a person would ask for first.
func (s *Scenario) bundle(ctx context.Context) {
	var b strings.Builder
	section := func(title, text string, err error) {
		fmt.Fprintf(&b, "──── %s\n%s\n", title, text)
		if err != nil {
			fmt.Fprintf(&b, "(%v)\n", err)
		}
	}
	for _, args := range [][]string{
		{"get", "all", "-o", "wide"}, {"describe", "pods"}, {"get", "events", "--sort-by=.lastTimestamp"},
	} {
		out, err := s.W.Kubectl(ctx, append([]string{"-n", s.Namespace}, args...)...)
		section("kubectl "+strings.Join(args, " "), out, err)
	}
	pods, _ := s.W.Kubectl(ctx, "-n", s.Namespace, "get", "pods", "-o", "name")
	for _, pod := range strings.Fields(pods) {
		out, err := s.W.Kubectl(ctx, "-n", s.Namespace, "logs", "--all-containers", "--prefix", "--tail=30", pod)
		section("logs "+pod, out, err)
	}
	out, err := stage.Docker(ctx, "ps", "-a", "--filter", "label="+stage.InstanceLabel+"="+s.W.Instance)
	section("docker ps", out, err)
	section("end of capsulet's log", s.W.Server.Tail(60), nil)
	s.Logf("failure bundle\n%s", b.String())
	if dir := os.Getenv("CAPSULET_E2E_OUT"); dir != "" {
		path := filepath.Join(dir, s.Namespace+".txt")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(b.String()), 0o644)); err != nil {
			s.Logf("write the bundle: %v", err)
		}
	}
}
