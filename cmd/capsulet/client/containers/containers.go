// Package containers is the commands capsulet container and capsulet sandbox: containers of Zun's container API, with a sandbox of
// their own or in one that is there, and those of capsules where they can be looked into.
//
//	flags.go   what a container is made of      create.go  create, run
//	list.go    list, show, actions              act.go     start, stop, restart, pause, kill, rebuild, commit, update, networks
//	wait.go    wait, delete                     reach.go   logs, exec, attach, cp, top, stats
//	sandbox.go sandbox …
//
// They speak Zun's API, apart from logs, exec and attach: those are capsulet's streams, which are not bounded in size or
// time and carry exit codes. A container is addressed there by its UUID.
package containers

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/client/endpoints"
	"github.com/capsulet/capsulet/cmd/capsulet/client/streams"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// New makes the command capsulet container.
func New() *cobra.Command {
	k, family := client.New("container", "Create, run, list and delete containers, and reach into them", "containers")
	one := func(c *cobra.Command) *cobra.Command { return k.Complete(c, false, names) }
	several := func(c *cobra.Command) *cobra.Command { return k.Complete(c, true, names) }
	family.AddCommand(create(k), run(k), list(k), several(show(k)), several(await(k)), several(remove(k)))
	for _, a := range actions {
		family.AddCommand(several(act(k, a)))
	}
	family.AddCommand(one(rename(k)), one(update(k)), one(commit(k)), one(history(k)))
	family.AddCommand(one(network(k, "attach")), one(network(k, "detach")), one(networks(k)))
	family.AddCommand(one(logs(k)), one(exec(k)), one(attach(k)), one(top(k)), several(stats(k)), one(endpoints.Verb(k, "container")))
	family.AddCommand(streams.CopyVerb(k, "container", func(call *client.Call, name string) (string, string, error) {
		_, one, err := found(call, name)
		return one.UUID, "", err
	}))
	return family
}

// names are for completion.
func names(ctx context.Context, api *zun.Client) ([]string, error) {
	all, err := resources.Of(api).Containers(ctx, nil)
	if err != nil {
		return nil, err
	}
	found := make([]string, len(all))
	for i := range all {
		found[i] = all[i].Name
	}
	return found, nil
}

// of is the client of Zun's API.
func of(call *client.Call) (resources.Client, error) {
	api, err := call.API()
	if err != nil {
		return resources.Client{}, err
	}
	return resources.Of(api), nil
}

// chosen are the containers that a command is about: the named ones, which are not looked up, or those of a selection.
func chosen(call *client.Call, api resources.Client, s *client.Selection, args []string) ([]client.Target, error) {
	return targets(s, args, func() ([]resources.Container, error) { return api.Containers(call.Context(), nil) },
		func(c *resources.Container) (client.Target, map[string]string) {
			return client.Target{Name: c.Name, ID: c.UUID}, c.Labels
		})
}

func targets[T any](s *client.Selection, args []string, list func() ([]T, error), of func(*T) (client.Target, map[string]string)) ([]client.Target, error) {
	selected, err := s.Given(args)
	if err != nil {
		return nil, err
	}
	if !selected {
		return client.Named(args), nil
	}
	matches, err := s.Matcher()
	if err != nil {
		return nil, err
	}
	all, err := list()
	if err != nil {
		return nil, err
	}
	var found []client.Target
	for i := range all {
		if t, labels := of(&all[i]); matches(labels) {
			found = append(found, t)
		}
	}
	return found, nil
}
