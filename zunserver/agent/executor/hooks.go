package executor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/lifecycle"
	"github.com/capsulet/capsulet/zunserver/network"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

// postStart runs the hook of a container that was started; when it fails the container is killed, as the kubelet does.
func (e *Executor) postStart(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) {
	cs, _ := c.Spec.Container(act.Container)
	if cs == nil || cs.Lifecycle == nil || cs.Lifecycle.PostStart == nil {
		return
	}
	err := e.hook(ctx, c, cs, act.ID, cs.Lifecycle.PostStart)
	if err == nil || ctx.Err() != nil {
		return
	}
	e.cfg.Log.WithError(err).WithFields(map[string]any{"capsule": c.UUID, "container": cs.Name}).Warn("PostStart hook failed")
	e.hookFailed(c, act, "PostStart", err)
	kill := act
	kill.Deadline = time.Now().Add(time.Duration(c.Spec.Grace()) * time.Second)
	if err := e.stop(ctx, c, kill); err != nil && ctx.Err() == nil {
		e.cfg.Log.WithError(err).WithField("capsule", c.UUID).Warn("Cannot stop the container whose hook failed")
	}
}

// preStop runs the hook within the time that the container has left; a failure does not keep it alive.
func (e *Executor) preStop(ctx context.Context, c *capsule.Capsule, act lifecycle.Action) {
	cs, _ := c.Spec.Container(act.Container)
	if cs == nil || cs.Lifecycle == nil || cs.Lifecycle.PreStop == nil || time.Until(act.Deadline) <= 0 {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, act.Deadline)
	defer cancel()
	if err := e.hook(ctx, c, cs, act.ID, cs.Lifecycle.PreStop); err != nil && !errors.Is(err, context.Canceled) {
		e.cfg.Log.WithError(err).WithFields(map[string]any{"capsule": c.UUID, "container": cs.Name}).Warn("PreStop hook failed")
		e.hookFailed(c, act, "PreStop", err)
	}
}

func (e *Executor) hook(ctx context.Context, c *capsule.Capsule, cs *capsule.ContainerSpec, id string,
	h *corev1.LifecycleHandler,
) error {
	switch {
	case h.Sleep != nil:
		pause(ctx, time.Duration(h.Sleep.Seconds)*time.Second)
		return nil
	case h.Exec != nil:
		var out strings.Builder
		code, err := e.cfg.Runtime.Exec(ctx, id, runtime.ExecConfig{Command: h.Exec.Command, Stdout: &out, Stderr: &out})
		if err == nil && code != 0 {
			err = fmt.Errorf("command %q exited with %d", h.Exec.Command, code)
		}
		return err
	case h.HTTPGet != nil:
		return e.hookGet(ctx, c, cs, h.HTTPGet)
	default:
		return fmt.Errorf("lifecycle hook without a handler that is known")
	}
}

// hookGet calls the container; any answer is a success, as with the kubelet.
func (e *Executor) hookGet(ctx context.Context, c *capsule.Capsule, cs *capsule.ContainerSpec, g *corev1.HTTPGetAction) error {
	port := g.Port.String()
	for _, p := range cs.Ports {
		if p.Name == port {
			port = fmt.Sprint(p.ContainerPort)
		}
	}
	host := g.Host
	if host == "" {
		host = e.place(c, nil).Refs[capsule.RefCapsuleAddress]
	}
	scheme := strings.ToLower(string(g.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	url := fmt.Sprintf("%s://%s/%s", scheme, net.JoinHostPort(host, port), strings.TrimPrefix(g.Path, "/"))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	for _, h := range g.HTTPHeaders {
		req.Header.Add(h.Name, h.Value)
	}
	client := &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{
		Proxy: nil, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return e.cfg.Network.DialAddress(ctx, network.Target{ID: c.Facts.Sandbox.ID}, address)
		},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
