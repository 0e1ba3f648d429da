package containers

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/client/streams"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/provider/zun/resources"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// found is the container that is meant, and the client that reaches into it.
func found(call *client.Call, name string) (*zun.Client, resources.Container, error) {
	api, err := call.API()
	if err != nil {
		return nil, resources.Container{}, err
	}
	one, err := resources.Of(api).Container(call.Context(), name, nil)
	return api, one, err
}

func logs(k *client.Client) *cobra.Command {
	var since string
	opts := capsule.LogOptions{}
	var stdout, stderr bool
	c := k.Verb("logs CONTAINER", "Print the log of a container", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		var err error
		if opts.Since, err = streams.Moment(since, time.Now()); err != nil {
			return err
		}
		switch {
		case stdout && !stderr:
			opts.Stream = capsule.Stdout
		case stderr && !stdout:
			opts.Stream = capsule.Stderr
		}
		api, one, err := found(call, args[0])
		if err != nil {
			return err
		}
		r, err := api.Logs(call.Context(), one.UUID, "", false, opts)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(call.Out(), r)
		if call.Context().Err() != nil {
			return call.Context().Err()
		}
		return err
	})
	f := c.Flags()
	f.BoolVarP(&opts.Follow, "follow", "f", false, "go on until the container ends")
	f.BoolVar(&opts.Timestamps, "timestamps", false, "print the time of each line")
	f.Int64Var(&opts.Tail, "tail", -1, "number of last lines; -1 is all")
	f.StringVar(&since, "since", "", "only what is newer: a duration, such as 10m, or a time of RFC 3339")
	f.BoolVar(&stdout, "stdout", false, "its output alone")
	f.BoolVar(&stderr, "stderr", false, "its error output alone")
	return c
}

func exec(k *client.Client) *cobra.Command {
	var stdin, tty bool
	c := k.Verb("exec CONTAINER [-it] -- COMMAND [ARG...]", "Run a command in a container", cobra.MinimumNArgs(2), func(call *client.Call, args []string) error {
		api, one, err := found(call, args[0])
		if err != nil {
			return err
		}
		s := streams.Session{Out: call.Out(), Err: call.Err(), TTY: tty}
		if stdin {
			s.In = call.InOrStdin()
		}
		return s.Run(call.Context(), api, url.Values{"command": args[1:]}, "capsules", one.UUID, "exec")
	})
	c.Long = "Run a command in a container. The exit code is the command's."
	c.Example = "  capsulet container exec -it db -- psql"
	c.Flags().BoolVarP(&stdin, "stdin", "i", false, "pass the input on")
	c.Flags().BoolVarP(&tty, "tty", "t", false, "give the command a terminal")
	return c
}

func attach(k *client.Client) *cobra.Command {
	var stdin bool
	c := k.Verb("attach CONTAINER [-i]", "Join the main process of a container", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, one, err := found(call, args[0])
		if err != nil {
			return err
		}
		s := streams.Session{Out: call.Out(), Err: call.Err(), TTY: one.TTY}
		if stdin {
			if !one.Interactive {
				return fmt.Errorf("container %s keeps no input open: it was not created with --interactive", one.Name)
			}
			s.In = call.InOrStdin()
		}
		return s.Run(call.Context(), api, url.Values{}, "capsules", one.UUID, "attach")
	})
	c.Flags().BoolVarP(&stdin, "stdin", "i", false, "pass the input on")
	return c
}

func top(k *client.Client) *cobra.Command {
	var psArgs string
	c := k.Shows("top CONTAINER", "List the processes of a container", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		all, err := api.Top(call.Context(), args[0], psArgs)
		if err != nil {
			return err
		}
		return call.List(all, nil, &output.Table{Head: all.Titles, Rows: all.Processes}, "processes")
	})
	c.Flags().StringVar(&psArgs, "ps-args", "", "arguments of ps on the host, such as aux")
	return c
}

// columns are Zun's words for what a container uses, and ours for people.
var columns = []struct{ key, title string }{
	{"CPU %", "CPU %"}, {"MEM USAGE(MiB)", "MEMORY MiB"}, {"MEM LIMIT(MiB)", "LIMIT MiB"}, {"MEM %", "MEMORY %"},
	{"BLOCK I/O(B)", "BLOCK I/O B"}, {"NET I/O(B)", "NET I/O B"},
}

func stats(k *client.Client) *cobra.Command {
	var noStream bool
	c := k.Shows("stats CONTAINER...", "Show what containers use", cobra.MinimumNArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		if !call.Format.ForPeople() {
			noStream = true
		}
		return call.Repeat(!noStream, func() (*output.Table, error) {
			t := &output.Table{Head: []string{"CONTAINER"}}
			for _, c := range columns {
				t.Head = append(t.Head, c.title)
			}
			var all []map[string]any
			failed := call.Each("container", "", client.Named(args), func(target client.Target) error {
				one, err := api.ContainerStats(call.Context(), target.ID)
				if err != nil {
					return err
				}
				all = append(all, one)
				row := []string{target.Name}
				for _, c := range columns {
					row = append(row, figure(one[c.key]))
				}
				t.Rows = append(t.Rows, row)
				return nil
			})
			if !call.Format.ForPeople() && len(all) > 0 {
				return nil, errors.Join(call.Format.Print(call.Out(), all, args...), failed)
			}
			return t, failed
		})
	})
	c.Flags().BoolVar(&noStream, "no-stream", false, "show it once, and end")
	return c
}

// figure prints a number of the API, which may be a text there.
func figure(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case float64:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 2, 64), ".00")
	default:
		return fmt.Sprint(v)
	}
}
