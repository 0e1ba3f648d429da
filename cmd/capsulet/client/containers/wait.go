package containers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// condition is a status that a container is waited for to have; gone is its end.
type condition struct {
	word string
	met  func(*resources.Container) bool
	// never: a status from which it does not come about by itself.
	never []string
}

var (
	running    = condition{"running", has("Running"), []string{"Deleted", "Dead"}}
	stopped    = condition{"stopped", has("Stopped"), []string{"Deleted", "Dead"}}
	paused     = condition{"paused", has("Paused"), []string{"Deleted", "Dead"}}
	deleted    = condition{"deleted", has("Deleted"), nil}
	conditions = []condition{running, stopped, paused, deleted}
)

// has: nothing is under way, and the status is this.
func has(status string) func(*resources.Container) bool {
	return func(c *resources.Container) bool {
		return c.Status == status && (c.TaskState == "" || status == "Deleted")
	}
}

// until waits for a condition. A container that runs only for a moment has been running when it has stopped.
func until(call *client.Call, t client.Target, want condition, timeout time.Duration) (one resources.Container, err error) {
	api, err := of(call)
	if err != nil {
		return one, err
	}
	w := client.Wait{Kind: "container", Target: t, For: want.word, Timeout: timeout}
	err = call.Until(w, func(ctx context.Context) (string, bool, error) {
		one, err = api.Container(ctx, t.ID, nil)
		switch {
		case errdefs.IsNotFound(err) && want.word == deleted.word:
			return "", true, nil
		case err != nil:
			return "", false, err
		case want.met(&one):
			return "", true, nil
		}
		is := client.Reason(one.Status, one.StatusReason)
		switch {
		case slices.Contains(want.never, one.Status):
			return "", false, fmt.Errorf("container %s will not be %s: it is %s", t.Name, want.word, is)
		case want.word == running.word && one.Status == "Stopped" && one.TaskState == "":
			return "", false, fmt.Errorf("container %s has ended: %s", t.Name, one.StatusDetail)
		}
		return is, false, nil
	})
	return one, err
}

func await(k *client.Client) *cobra.Command {
	var s client.Selection
	var word string
	var timeout time.Duration
	c := k.Verb("wait CONTAINER... --for=CONDITION", "Wait until containers run, have stopped, are paused or are gone", cobra.ArbitraryArgs,
		func(call *client.Call, args []string) error {
			var want *condition
			for i := range conditions {
				if conditions[i].word == word {
					want = &conditions[i]
				}
			}
			if want == nil {
				return fmt.Errorf("--for=%s: the conditions are running, stopped, paused and deleted", word)
			}
			if _, err := s.Given(args); err != nil {
				return err
			}
			api, err := of(call)
			if err != nil {
				return err
			}
			targets, err := chosen(call, api, &s, args)
			if err != nil {
				return err
			}
			left := client.Together(timeout)
			return call.Each("container", want.word, targets, func(t client.Target) error {
				_, err := until(call, t, *want, left())
				return err
			})
		})
	s.Bind(c)
	c.Flags().StringVar(&word, "for", "running", "running, stopped, paused or deleted")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "for all of them together; 0 waits for ever")
	_ = c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"running", "stopped", "paused", "deleted"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func remove(k *client.Client) *cobra.Command {
	var s client.Selection
	var force, stop, allProjects, wait bool
	var timeout time.Duration
	c := k.Verb("delete CONTAINER...", "Delete containers by name or UUID", cobra.ArbitraryArgs, func(call *client.Call, args []string) error {
		if _, err := s.Given(args); err != nil {
			return err
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		targets, err := chosen(call, api, &s, args)
		if err != nil {
			return err
		}
		if len(targets) == 0 {
			fmt.Fprintln(call.Err(), "No containers.")
		}
		q := resources.Query{}
		for name, on := range map[string]bool{"force": force, "stop": stop, "all_projects": allProjects} {
			if on {
				q[name] = "True"
			}
		}
		failed := call.Each("container", "is being deleted", targets, func(t client.Target) error {
			err := api.DeleteContainer(call.Context(), t.ID, q)
			if err != nil && !stop && !force && errdefs.IsAlreadyExists(err) { // 409: its state does not allow it
				err = fmt.Errorf("%w; --stop stops it first", err)
			}
			return err
		})
		if !wait || call.Context().Err() != nil {
			return failed
		}
		left := client.Together(timeout)
		return errors.Join(failed, call.Each("container", "deleted", targets, func(t client.Target) error {
			_, err := until(call, t, deleted, left())
			return err
		}))
	})
	c.Aliases = []string{"rm"}
	s.Bind(c)
	f := c.Flags()
	f.BoolVarP(&stop, "stop", "s", false, "stop it first, if it runs")
	f.BoolVarP(&force, "force", "f", false, "delete it in whatever state it is; for administrators")
	f.BoolVar(&allProjects, "all-projects", false, "also one of another project; for administrators")
	f.BoolVar(&wait, "wait", false, "wait until they are gone")
	f.DurationVar(&timeout, "timeout", 5*time.Minute, "of --wait; 0 waits for ever")
	return c
}
