// Package client is what the client commands of capsulet have in common: the connection, the format of their output, how they take
// names, and how they tell what went and what did not.
//
//	capsules    capsule …                                streams   logs, exec, attach, cp, port-forward
//	containers  container …, sandbox …                   resources image, host, service, registry, quota, network, zone
//
// A command is a function of a [Call]. What it prints goes to the output; what it tells about its work, to the error output.
package client

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/connection"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun"
)

// Client makes the commands of one family, which share the flags of the connection.
type Client struct {
	conn connection.Options
}

// Call is one command under way.
type Call struct {
	*cobra.Command
	Format output.Format
	client *Client
	api    *zun.Client
}

// annotation marks a family of client commands: see [Is].
const annotation = "capsulet.client"

// Is says whether a command is one of a client's.
func Is(c *cobra.Command) bool {
	for ; c != nil; c = c.Parent() {
		if _, ok := c.Annotations[annotation]; ok {
			return true
		}
	}
	return false
}

// New makes a family: a command with the flags of the connection, whose verbs are added to it.
func New(use, short string, aliases ...string) (*Client, *cobra.Command) {
	k := &Client{}
	family := &cobra.Command{Use: use, Short: short, Aliases: aliases, Annotations: map[string]string{annotation: ""}}
	family.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownVerb(c, args[0])
		}
		return c.Help()
	}
	family.Args, family.SuggestionsMinimumDistance = cobra.ArbitraryArgs, 2
	k.conn.Bind(family.PersistentFlags())
	return k, family
}

// Verb makes a command without the flag -o.
func (k *Client) Verb(use, short string, args cobra.PositionalArgs, run func(*Call, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(c *cobra.Command, args []string) error { return run(&Call{Command: c, client: k}, args) },
	}
}

// Shows makes a command that prints something in the format of -o.
func (k *Client) Shows(use, short string, args cobra.PositionalArgs, run func(*Call, []string) error) *cobra.Command {
	var format output.Format
	c := k.Verb(use, short, args, func(call *Call, args []string) error {
		call.Format = format
		return run(call, args)
	})
	format.Bind(c)
	return c
}

// API is the client of the capsule API. Commands ask for it when they have read what they were given, so that what is wrong
// with that is told first.
func (c *Call) API() (*zun.Client, error) {
	if c.api == nil {
		var err error
		if c.api, err = c.client.conn.Client(c.Context()); err != nil {
			return nil, err
		}
	}
	return c.api, nil
}

// Out is for what the command prints, Err for what it tells about its work.
func (c *Call) Out() io.Writer { return c.OutOrStdout() }

// Err is the error output.
func (c *Call) Err() io.Writer { return c.ErrOrStderr() }

// completionPatience is how long a shell waits for names.
const completionPatience = 2 * time.Second

// Complete completes arguments with names that the server has. several says whether a command takes more than one.
func (k *Client) Complete(c *cobra.Command, several bool, names func(context.Context, *zun.Client) ([]string, error)) *cobra.Command {
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !several {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		api, err := k.conn.Client(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		found, err := names(ctx, api)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

// CompleteFlag completes the value of a flag with what find finds, given the arguments typed so far.
func (k *Client) CompleteFlag(find func(*Call, []string) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		cmd.SetContext(ctx)
		found, err := find(&Call{Command: cmd, client: k}, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// List prints things: v and names for programs, the table for people, and that there are none to the error output.
func (c *Call) List(v any, names []string, t *output.Table, what string) error {
	if !c.Format.ForPeople() {
		return c.Format.Print(c.Out(), v, names...)
	}
	if len(t.Rows) == 0 {
		fmt.Fprintf(c.Err(), "No %s.\n", what)
		return nil
	}
	return t.Write(c.Out())
}

// One prints one thing: v and its name for programs, the sheet for people.
func (c *Call) One(v any, name string, s *output.Sheet) error {
	if !c.Format.ForPeople() {
		return c.Format.Print(c.Out(), v, name)
	}
	return s.Print(c.Out())
}
