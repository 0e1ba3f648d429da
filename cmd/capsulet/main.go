// Command capsulet is a Kubernetes node made of capsules, the capsule server behind it, and the client of its API.
//
//	capsulet run      the virtual node and the capsule server in one process
//	capsulet serve    the capsule server alone: REST, no Kubernetes
//	capsulet node     the virtual node alone, against a capsule API elsewhere
//	capsulet capsule  create, list, show, delete capsules, read their logs, run in, attach to and reach into them
//	capsulet host     the container hosts of a capsule server
//	capsulet config   print a commented sample of the configuration file
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	// What runs in the sandboxes of far hosts is this program.
	_ "github.com/capsulet/capsulet/zunserver/inside/entry"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	var exit exitError
	if errors.As(err, &exit) {
		os.Exit(int(exit))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "capsulet:", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use: "capsulet", Short: "A Kubernetes node made of capsules", Version: version,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(newRun(), newServe(), newNode(), newCapsule(), newHost(), newConfig())
	return root
}
