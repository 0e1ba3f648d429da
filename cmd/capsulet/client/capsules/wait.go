package capsules

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// condition is what a capsule is waited for to be. word says it for people.
type condition struct {
	word string
	// met says whether it is so; never why it can no longer become so.
	met   func(*capsule.Capsule) bool
	never func(*capsule.Capsule) string
}

var (
	running = condition{"running", func(c *capsule.Capsule) bool { return c.Status() == capsule.StatusRunning }, over}
	ready   = condition{"ready", isReady, over}
	stopped = condition{"stopped", ended, func(*capsule.Capsule) string { return "" }}
	deleted = condition{"deleted", func(*capsule.Capsule) bool { return false }, func(*capsule.Capsule) string { return "" }}
)

var conditions = []condition{running, ready, stopped, deleted}

// isReady: it runs, and every container says that it can be used.
func isReady(c *capsule.Capsule) bool {
	if c.Status() != capsule.StatusRunning {
		return false
	}
	for i := range c.Spec.Containers {
		if cf := c.Facts.Container(c.Spec.Containers[i].Name); cf == nil || !cf.Ready {
			return false
		}
	}
	return true
}

// ended: nothing runs, and nothing will.
func ended(c *capsule.Capsule) bool {
	switch {
	case c.Facts.End != nil:
		return true
	case c.Status() != capsule.StatusStopped && c.Status() != capsule.StatusError:
		return false
	}
	for i := range c.Spec.Containers {
		cf := c.Facts.Container(c.Spec.Containers[i].Name)
		if cf == nil || cf.Run.State() != capsule.StateExited {
			return c.Status() == capsule.StatusStopped
		}
	}
	return true
}

// over says why it will never run; empty while it may.
func over(c *capsule.Capsule) string {
	switch {
	case c.Deletion != nil:
		return "it is being deleted"
	case ended(c):
		if reason := c.StatusReason(); reason != "" {
			return "it has ended: " + reason
		}
		return "it has ended"
	}
	return ""
}

// until waits for a condition. The capsule is nil when it was waited for to be gone.
func until(call *client.Call, api *zun.Client, t client.Target, want condition, timeout time.Duration) (one *capsule.Capsule, err error) {
	w := client.Wait{Kind: "capsule", Target: t, For: want.word, Timeout: timeout}
	err = call.Until(w, func(ctx context.Context) (string, bool, error) {
		one, err = api.Get(ctx, t.ID)
		switch {
		case errdefs.IsNotFound(err) && want.word == deleted.word:
			one = nil
			return "", true, nil
		case err != nil:
			return "", false, err
		case want.met(one):
			return "", true, nil
		}
		if why := want.never(one); why != "" {
			return "", false, fmt.Errorf("capsule %s will not be %s: %s", t.Name, want.word, why)
		}
		return client.Reason(one.Status(), one.StatusReason()), false, nil
	})
	return one, err
}

func await(k *client.Client) *cobra.Command {
	var s client.Selection
	var word string
	var timeout time.Duration
	c := k.Verb("wait CAPSULE... --for=CONDITION", "Wait until capsules run, are ready, have stopped or are gone", cobra.ArbitraryArgs,
		func(call *client.Call, args []string) error {
			want, err := conditionOf(word)
			if err != nil {
				return err
			}
			if _, err := s.Given(args); err != nil {
				return err
			}
			api, err := call.API()
			if err != nil {
				return err
			}
			targets, err := chosen(call, api, &s, args)
			if err != nil {
				return err
			}
			left := client.Together(timeout)
			return call.Each("capsule", want.word, targets, func(t client.Target) error {
				_, err := until(call, api, t, want, left())
				return err
			})
		})
	c.Long = "Wait until capsules run, are ready, have stopped or are gone. The exit code is 124 when that takes too long, and 1 when it\n" +
		"can no longer happen."
	s.Bind(c)
	c.Flags().StringVar(&word, "for", "running", "running, ready, stopped or deleted")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "for all of them together; 0 waits for ever")
	_ = c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions([]string{"running", "ready", "stopped", "deleted"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func conditionOf(word string) (condition, error) {
	for _, c := range conditions {
		if c.word == word {
			return c, nil
		}
	}
	return condition{}, fmt.Errorf("--for=%s: the conditions are running, ready, stopped and deleted", word)
}

func remove(k *client.Client) *cobra.Command {
	var s client.Selection
	var grace int64
	var force, wait bool
	var timeout time.Duration
	c := k.Verb("delete CAPSULE...", "Delete capsules by name or UUID", cobra.ArbitraryArgs, func(call *client.Call, args []string) error {
		var seconds *int64
		if call.Flags().Changed("grace-period") {
			if seconds = &grace; grace < 0 {
				return errors.New("--grace-period: it cannot be negative")
			}
		}
		if _, err := s.Given(args); err != nil {
			return err
		}
		api, err := call.API()
		if err != nil {
			return err
		}
		targets, err := chosen(call, api, &s, args)
		if err != nil {
			return err
		}
		if len(targets) == 0 {
			fmt.Fprintln(call.Err(), "No capsules.")
		}
		ask := func(t client.Target) error {
			if force {
				return api.GiveUp(call.Context(), t.ID)
			}
			return api.Delete(call.Context(), t.ID, seconds)
		}
		failed := call.Each("capsule", "is being deleted", targets, ask)
		if !wait || call.Context().Err() != nil {
			return failed
		}
		left := client.Together(timeout)
		return errors.Join(failed, call.Each("capsule", "deleted", targets, func(t client.Target) error {
			_, err := until(call, api, t, deleted, left())
			return err
		}))
	})
	c.Aliases = []string{"rm"}
	s.Bind(c)
	f := c.Flags()
	f.Int64Var(&grace, "grace-period", 0, "seconds until containers are killed; the template's when not given")
	f.BoolVar(&force, "force", false, "kill at once, and give the capsule up if its host has been away for long")
	f.BoolVar(&wait, "wait", false, "wait until they are gone")
	f.DurationVar(&timeout, "timeout", 5*time.Minute, "of --wait; 0 waits for ever")
	c.MarkFlagsMutuallyExclusive("grace-period", "force")
	return c
}
