package template

import (
	"fmt"
	"net/textproto"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/capsulet/capsulet/zunserver/capsule/template/problem"
)

// probe applies Kubernetes' rules (pkg/apis/core/validation, validateProbe); 0 is the default of each number.
func (c *checker) probe(p *corev1.Probe, key, at string) {
	c.oneHandler(at, map[string]bool{
		"exec": p.Exec != nil, "httpGet": p.HTTPGet != nil, "tcpSocket": p.TCPSocket != nil, "grpc": p.GRPC != nil,
	})
	c.actions(p.Exec, p.HTTPGet, p.TCPSocket, at)
	if p.GRPC != nil {
		c.between(int64(p.GRPC.Port), 1, 65535, at+".grpc.port")
	}
	for field, v := range map[string]int32{
		"initialDelaySeconds": p.InitialDelaySeconds, "timeoutSeconds": p.TimeoutSeconds, "periodSeconds": p.PeriodSeconds,
		"successThreshold": p.SuccessThreshold, "failureThreshold": p.FailureThreshold,
	} {
		c.between(int64(v), 0, 1<<31-1, at+"."+field)
	}
	readiness := key == "readinessProbe"
	c.that(readiness || p.SuccessThreshold <= 1, at+".successThreshold", p.SuccessThreshold, "it must be 1")
	if g := p.TerminationGracePeriodSeconds; g != nil {
		c.that(!readiness, at+".terminationGracePeriodSeconds", *g, "it must not be set for readiness probes")
		c.between(*g, 1, 1<<31-1, at+".terminationGracePeriodSeconds")
	}
}

func (c *checker) hook(h *corev1.LifecycleHandler, at string) {
	if h == nil {
		return
	}
	c.unsupported(h.TCPSocket != nil, at+".tcpSocket", "Kubernetes itself never implemented it as a hook")
	c.oneHandler(at, map[string]bool{"exec": h.Exec != nil, "httpGet": h.HTTPGet != nil, "sleep": h.Sleep != nil})
	c.actions(h.Exec, h.HTTPGet, nil, at)
	if h.Sleep != nil {
		c.between(h.Sleep.Seconds, 0, 1<<31-1, at+".sleep.seconds")
	}
}

func (c *checker) oneHandler(at string, set map[string]bool) {
	n, words := 0, make([]string, 0, len(set))
	for _, word := range []string{"exec", "httpGet", "tcpSocket", "grpc", "sleep"} {
		is, known := set[word]
		if known {
			words = append(words, word)
		}
		if is {
			n++
		}
	}
	if n != 1 {
		c.fail(problem.At(at, "exactly one of %s is needed, and there are %d", strings.Join(words, ", "), n))
	}
}

// actions checks the handlers that probes and hooks share.
func (c *checker) actions(exec *corev1.ExecAction, get *corev1.HTTPGetAction, tcp *corev1.TCPSocketAction, at string) {
	if exec != nil {
		if len(exec.Command) == 0 {
			c.fail(problem.Missing(at+".exec", "command"))
		}
		c.words(exec.Command, at+".exec.command")
	}
	if get != nil {
		c.port(get.Port, at+".httpGet.port")
		oneOf(c, get.Scheme, at+".httpGet.scheme", corev1.URISchemeHTTP, corev1.URISchemeHTTPS, "")
		for i, h := range get.HTTPHeaders {
			ok := h.Name != "" && !strings.ContainsFunc(h.Name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) &&
				textproto.CanonicalMIMEHeaderKey(h.Name) != ""
			if !ok || strings.ContainsAny(h.Value, "\r\n\x00") {
				c.fail(problem.At(fmt.Sprintf("%s.httpGet.httpHeaders[%d]", at, i), "it is not an HTTP header"))
			}
		}
	}
	if tcp != nil {
		c.port(tcp.Port, at+".tcpSocket.port")
	}
}

func (c *checker) port(p intstr.IntOrString, at string) {
	if p.Type == intstr.Int {
		c.between(int64(p.IntVal), 1, 65535, at)
		return
	}
	c.that(len(validation.IsValidPortName(p.StrVal)) == 0, at, p.StrVal, "it is not a number or the name of a port")
}
