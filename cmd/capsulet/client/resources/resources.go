// Package resources is the commands of what is neither a capsule nor a container:
//
//	hosts.go     host, service, zone     images.go    image, network
//	quotas.go    quota, quota-class      registries.go registry
//
// They speak Zun's API. A password is read from the input or from a file and is never an argument, which everybody on the
// machine could read.
package resources

import (
	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// All makes the commands.
func All() []*cobra.Command {
	return []*cobra.Command{images(), hosts(), services(), registries(), quotas(), quotaClasses(), networks(), zones()}
}

// of is the client of Zun's API.
func of(call *client.Call) (resources.Client, error) {
	api, err := call.API()
	if err != nil {
		return resources.Client{}, err
	}
	return resources.Of(api), nil
}

// list prints things of one kind in the format of -o.
func list[T any](call *client.Call, what string, all []T, id func(*T) string, head []string, row func(*T) []string) error {
	names := make([]string, len(all))
	t := output.Table{Head: head, Colour: func(_ int, cell string) string { return output.Status(cell) }}
	for i := range all {
		names[i] = id(&all[i])
		t.Rows = append(t.Rows, row(&all[i]))
	}
	return call.List(all, names, &t, what)
}

// lister makes the verb list of a family.
func lister(k *client.Client, what string, run func(*client.Call, resources.Client) error) *cobra.Command {
	c := k.Shows("list", "List "+what, cobra.NoArgs, func(call *client.Call, _ []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		return run(call, api)
	})
	c.Aliases = []string{"ls"}
	return c
}

// shower makes the verb show of a family: sheet reads a thing and says how it is shown.
func shower(k *client.Client, what string, sheet func(call *client.Call, api resources.Client, id string) (v any, name string, s *output.Sheet, err error)) *cobra.Command {
	c := k.Shows("show "+what, "Show one by name or UUID", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		v, name, s, err := sheet(call, api, args[0])
		if err != nil {
			return err
		}
		return call.One(v, name, s)
	})
	c.Aliases = []string{"describe", "get", "inspect"}
	return c
}

// deleter makes the verb delete of a family.
func deleter(k *client.Client, kind, what string, remove func(*client.Call, resources.Client, string) error) *cobra.Command {
	c := k.Verb("delete "+what+"...", "Delete by name or UUID", cobra.MinimumNArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		return call.Each(kind, "deleted", client.Named(args), func(t client.Target) error { return remove(call, api, t.ID) })
	})
	c.Aliases = []string{"rm"}
	return c
}
