package vksuite_test

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	vke2e "github.com/virtual-kubelet/virtual-kubelet/test/e2e"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/capsulet/capsulet/test/controlplane/progress"
	"github.com/capsulet/capsulet/test/e2e"
)

// watchTimeout is how long the suite waits for a state; a state that comes does so within seconds.
const watchTimeout = 30 * time.Second

// TestVirtualKubelet runs the whole suite.
func TestVirtualKubelet(t *testing.T) {
	if testing.Short() || os.Getenv("CAPSULET_TEST_DOCKER") == "skip" {
		t.Skip("end-to-end tests need an engine: -short or CAPSULET_TEST_DOCKER=skip is set")
	}
	w, err := e2e.NewWorld(t.Context(), e2e.Options{Out: progress.New(os.Stderr)})
	if err != nil {
		t.Fatal("start the world:", err)
	}
	t.Cleanup(func() {
		if err := w.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error("close the world:", err)
		}
	})
	l, address := listen(t, "10250")
	move(t, w, address)
	s := e2e.Begin(t, w)
	replaceImages(s)
	stand(s, address)
	relay(t, w, l)
	suite := vke2e.NewEndToEndTestSuite(vke2e.EndToEndTestSuiteConfig{
		Kubeconfig: w.ControlPlane.Kubeconfig, Namespace: s.Namespace, NodeName: w.Node, WatchTimeout: watchTimeout,
	})
	suite.Run(t)
}

// policy exchanges the images of containers. "print 1" prints a line and waits for TERM.
const policy = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: {{.Name}}}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{.Name}}}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration:
        expression: >-
          Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers{
          name: c.name, image: "{{.Image}}", imagePullPolicy: "IfNotPresent"})}}
    - patchType: JSONPatch
      jsonPatch:
        expression: >-
          [0, 1, 2, 3].filter(i, i < size(object.spec.containers)).map(i, JSONPatch{
          op: "add", path: "/spec/containers/" + string(i) + "/args", value: ["print", "1"]})
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: {{.Name}}}
spec: {policyName: {{.Name}}}
`

// replaceImages returns when the API server follows the policy.
func replaceImages(s *e2e.Scenario) {
	s.Helper()
	s.Apply(policy)
	s.Prints("images are exchanged", time.Minute, s.W.Image, "run", "probe", "--image=foo", "--dry-run=server",
		"-o", "jsonpath={.spec.containers[0].image}")
}

// stand makes the Pod that the suite takes for Virtual Kubelet. No scheduler and no node has to do with it.
func stand(s *e2e.Scenario, address string) {
	s.Helper()
	s.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: ` + s.W.Node + `}
spec:
  schedulerName: nobody
  automountServiceAccountToken: false
  containers: [{name: kubelet, image: nothing}]
`)
	s.Must("patch", "pod", s.W.Node, "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status":{"phase":"Running","podIP":%[1]q,"podIPs":[{"ip":%[1]q}]}}`, address))
}

// move gives the node an address that is not loopback: the API server refuses to relay nodes/<node>/proxy there.
func move(t *testing.T, w *e2e.World, address string) {
	t.Helper()
	if err := w.Server.Stop(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	w.Server.NodeAddress = address
	if _, err := w.Server.WriteConfig(); err != nil {
		t.Fatal(err)
	}
	if err := w.Server.Start(); err != nil {
		t.Fatal(err)
	}
	err := w.Server.Await(t.Context(), "the node does not move to "+address, func(ctx context.Context) error {
		got, err := w.Kubectl(ctx, "get", "node", w.Node, "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`)
		if err == nil && got != address {
			err = fmt.Errorf("its address is %s", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// relay passes what it is asked on to the kubelet endpoint, as the administrator.
func relay(t *testing.T, w *e2e.World, l net.Listener) {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", w.ControlPlane.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Insecure, cfg.CAData, cfg.CAFile = true, nil, "" // capsulet's is self-signed
	transport, err := rest.TransportFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := net.JoinHostPort(w.Server.NodeAddress, strconv.Itoa(w.Server.KubeletPort))
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: endpoint})
	proxy.Transport = transport
	server := httptest.NewUnstartedServer(proxy)
	_ = server.Listener.Close() // the one that httptest has chosen
	server.Listener = l
	server.StartTLS()
	t.Cleanup(server.Close)
}

// listen takes the port at the first address that is not loopback and where it is free.
func listen(t *testing.T, port string) (l net.Listener, address string) {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var tried []string
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok || !n.IP.IsGlobalUnicast() {
			continue
		}
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", net.JoinHostPort(n.IP.String(), port))
		if err == nil {
			t.Cleanup(func() { _ = l.Close() }) // closed already when a server took it
			return l, n.IP.String()
		}
		tried = append(tried, err.Error())
	}
	t.Fatalf("port %s is free at no address of this machine but loopback: %s", port, strings.Join(tried, "; "))
	return nil, ""
}
