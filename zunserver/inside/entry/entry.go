// Package entry makes the program that imports it be the one of package inside when it is called by that name.
//
// Decisions (2026-11-25): in an init function, against the rule that importing has no effects: packages are initialised in
// the order of their paths, so this one comes before etcd, gRPC and Kubernetes, whose tables would cost each command in a
// sandbox more than all that it does.
package entry

import (
	"context"
	"os"

	"github.com/capsulet/capsulet/zunserver/inside"
)

func init() {
	if len(os.Args) == 0 || os.Args[0] != inside.Path {
		return
	}
	os.Exit(inside.Env{}.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
