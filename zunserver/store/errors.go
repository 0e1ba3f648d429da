package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// classify gives an error of etcd the class that callers decide by. The end of the caller's own context stays what it is.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return err
	}
	if errors.Is(err, rpctypes.ErrRequestTooLarge) {
		return fmt.Errorf("the record is too large for etcd: %w: %w", errdefs.ErrInvalidArgument, err)
	}
	var class error
	switch code(err) {
	case codes.OutOfRange:
		class = errdefs.ErrOutOfRange
	case codes.ResourceExhausted:
		class = errdefs.ErrResourceExhausted
	case codes.DeadlineExceeded, codes.Canceled, codes.Unavailable:
		class = errdefs.ErrUnavailable
	case codes.DataLoss:
		class = errdefs.ErrDataLoss
	case codes.PermissionDenied, codes.Unauthenticated:
		class = errdefs.ErrPermissionDenied
	default:
		return err
	}
	return fmt.Errorf("%w: %w", class, err)
}

// code finds the gRPC code in etcd's three kinds of errors: its own, gRPC's, and those of contexts. The calls by function
// to the embedded server answer all of them.
func code(err error) codes.Code {
	if own, ok := errors.AsType[rpctypes.EtcdError](rpctypes.Error(err)); ok {
		return own.Code()
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return codes.Unavailable
	}
	return status.Code(err)
}

func isLeaseGone(err error) bool { return errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) }
