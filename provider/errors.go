package provider

import (
	"github.com/containerd/errdefs"
	vkerrdefs "github.com/virtual-kubelet/virtual-kubelet/errdefs"
)

// forVirtualKubelet gives err the class that Virtual Kubelet understands, as the outermost wrap: its checks follow
// Cause and not Unwrap.
func forVirtualKubelet(err error) error {
	switch {
	case err == nil:
		return nil
	case errdefs.IsNotFound(err):
		return vkerrdefs.AsNotFound(err)
	case errdefs.IsInvalidArgument(err):
		return vkerrdefs.AsInvalidInput(err)
	default:
		return err
	}
}
