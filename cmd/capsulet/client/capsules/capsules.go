// Package capsules is the command capsulet capsule: capsules are made from templates, listed, described, followed, reached into and
// taken away.
//
//	create.go  create, update, apply     list.go   list, show     events.go  events
//	wait.go    delete, wait              reach.go  logs, exec, attach, port-forward
//	stats.go   stats
//	describe.go, history.go  what people read of a record; pure
//
// Capsules are read in the native form, so that what is shown are facts and not only Zun's words for them. What is printed for
// programs (-o json, yaml) is that form with the derived status beside it.
package capsules

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/client/endpoints"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// New makes the command.
func New() *cobra.Command {
	k, family := client.New("capsule", "Create, list, show and delete capsules, and reach into them", "capsules")
	one := func(c *cobra.Command) *cobra.Command { return k.Complete(c, false, names) }
	several := func(c *cobra.Command) *cobra.Command { return k.Complete(c, true, names) }
	family.AddCommand(create(k), one(update(k)), apply(k), list(k), several(show(k)), several(remove(k)), several(await(k)),
		one(logs(k)), one(exec(k)), one(attach(k)), one(portForward(k)), one(events(k)), several(stats(k)), one(endpoints.Verb(k, "capsule")), cp(k), one(top(k)))
	return family
}

// names are for completion.
func names(ctx context.Context, api *zun.Client) ([]string, error) {
	all, _, err := api.List(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]string, len(all))
	for i, c := range all {
		found[i] = c.Spec.Name
	}
	return found, nil
}

// shown is a record for programs.
type shown struct {
	*capsule.Capsule
	Status       string `json:"status"`
	StatusReason string `json:"statusReason,omitempty"`
}

func show1(c *capsule.Capsule) shown {
	return shown{Capsule: c, Status: c.Status(), StatusReason: c.StatusReason()}
}

func showAll(all []*capsule.Capsule) (list []shown, uuids []string) {
	list = make([]shown, len(all))
	for i, c := range all {
		list[i] = show1(c)
		uuids = append(uuids, c.UUID)
	}
	return list, uuids
}

// chosen are the capsules that a command is about: the named ones, which are not looked up, or those of a selection.
func chosen(call *client.Call, api *zun.Client, s *client.Selection, args []string) ([]client.Target, error) {
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
	all, _, err := api.List(call.Context())
	if err != nil {
		return nil, err
	}
	var targets []client.Target
	for _, c := range all {
		if matches(c.Spec.Labels) {
			targets = append(targets, client.Target{Name: c.Spec.Name, ID: c.UUID})
		}
	}
	return targets, nil
}
