// Command capsulet is a Kubernetes node made of capsules, the capsule server behind it, and the client of its API.
//
//	capsulet run      the virtual node and the capsule server in one process
//	capsulet serve    the capsule server alone: REST, no Kubernetes
//	capsulet node     the virtual node alone, against a capsule API elsewhere
//	capsulet config   print a commented sample of the configuration file
//	capsulet keystone the API in the service catalog of an OpenStack cloud
//
// The client is capsulet capsule, container, sandbox, image, host, service, registry, quota, quota-class, network and zone, each with
// its verbs; package client and the rooms beneath it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/client/capsules"
	"github.com/capsulet/capsulet/cmd/capsulet/client/containers"
	"github.com/capsulet/capsulet/cmd/capsulet/client/resources"
	"github.com/capsulet/capsulet/cmd/capsulet/connection"
	// What runs in the sandboxes of far hosts is this program.
	_ "github.com/capsulet/capsulet/zunserver/inside/entry"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ran, err := newRoot().ExecuteContextC(ctx)
	stop()
	message, code := client.Tell(ran, err)
	fmt.Fprint(os.Stderr, message)
	os.Exit(code)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use: "capsulet", Short: "A Kubernetes node made of capsules", Version: version,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddGroup(&cobra.Group{ID: "server", Title: "Servers:"}, &cobra.Group{ID: "client", Title: "Client of the capsule API:"})
	for _, c := range []*cobra.Command{newRun(), newServe(), newNode(), newConfig(), newKeystoneCommand()} {
		c.GroupID = "server"
		root.AddCommand(c)
	}
	for _, c := range append(resources.All(), capsules.New(), containers.New(), containers.NewSandbox()) {
		c.GroupID = "client"
		root.AddCommand(c)
	}
	root.AddCommand(&cobra.Command{
		Use: "connection", Short: "How the client finds the API and says who asks; exit codes", Long: connection.Help,
	})
	return root
}
