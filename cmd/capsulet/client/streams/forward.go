package streams

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/capsulet/capsulet/provider/zun"
)

// Forward opens local ports that lead into a capsule until ctx ends. ports are LOCAL:REMOTE, or one number for both.
func Forward(ctx context.Context, api *zun.Client, addresses, ports []string, out, errOut io.Writer, path ...string) error {
	target, carrier, upgrader, err := upgrade(api, nil, path...)
	if err != nil {
		return fmt.Errorf("port-forward: %w", err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: carrier}, http.MethodPost, target)
	stop := make(chan struct{})
	defer context.AfterFunc(ctx, func() { close(stop) })()
	f, err := portforward.NewOnAddresses(dialer, addresses, ports, stop, make(chan struct{}), out, errOut)
	if err != nil {
		return fmt.Errorf("port-forward: %w", err)
	}
	if err := f.ForwardPorts(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("port-forward: %w", err)
	}
	return nil
}
