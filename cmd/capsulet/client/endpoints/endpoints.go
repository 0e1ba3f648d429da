// Package endpoints is the verb endpoints, which capsules and containers have alike.
package endpoints

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// Verb makes the command; kind is capsule or container.
func Verb(k *client.Client, kind string) *cobra.Command {
	var from, container string
	c := k.Shows("endpoints "+strings.ToUpper(kind), "List where the ports of a "+kind+" are reached", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := call.API()
		if err != nil {
			return err
		}
		all, err := resources.Of(api).Endpoints(call.Context(), kind+"s", args[0], resources.Query{"from": from, "container": container})
		if err != nil {
			return err
		}
		t := output.Table{Head: []string{"PORT", "ADDRESS", "SCOPE"}}
		names := make([]string, len(all))
		for i, e := range all {
			names[i] = fmt.Sprintf("%s:%d", e.Address, e.Port)
			t.Rows = append(t.Rows, []string{strconv.Itoa(e.ContainerPort) + "/" + e.Protocol, names[i], e.Scope})
		}
		return call.List(all, names, &t, "endpoints")
	})
	c.Long = "List where the ports of a " + kind + " are reached: from its host, from capsules there (internal), from other hosts (cloud), and from\n" +
		"the world (public). With --from, the nearest way for a connection out of that capsule."
	c.Flags().StringVar(&from, "from", "", "capsule that shall connect, by name or UUID")
	if kind == "capsule" {
		c.Flags().StringVarP(&container, "container", "c", "", "container; all of them when not given")
	}
	return c
}
