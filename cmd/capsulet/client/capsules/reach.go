package capsules

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/client/streams"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// containerFlag is -c, with the names of the capsule that was typed for completion.
func containerFlag(c *cobra.Command, k *client.Client, into *string) {
	c.Flags().StringVarP(into, "container", "c", "", "container; the first when not given")
	_ = c.RegisterFlagCompletionFunc("container", k.CompleteFlag(func(call *client.Call, args []string) ([]string, error) {
		if len(args) == 0 {
			return nil, errors.New("no capsule yet")
		}
		api, err := call.API()
		if err != nil {
			return nil, err
		}
		one, err := api.Get(call.Context(), args[0])
		if err != nil {
			return nil, err
		}
		return containers(one), nil
	}))
}

// containers are the names of all containers, those that run side by side first.
func containers(c *capsule.Capsule) (names []string) {
	for _, list := range [][]capsule.ContainerSpec{c.Spec.Containers, c.Spec.InitContainers, c.Spec.EphemeralContainers} {
		for i := range list {
			names = append(names, list[i].Name)
		}
	}
	return names
}

// in finds the capsule, and its container that is meant: the first when none is named, which is told when there are several.
func in(call *client.Call, api *zun.Client, name, container string) (*capsule.Capsule, string, error) {
	one, err := api.Get(call.Context(), name)
	if err != nil {
		return nil, "", err
	}
	all := containers(one)
	switch {
	case len(all) == 0:
		return nil, "", fmt.Errorf("capsule %s has no container", one.Spec.Name)
	case container == "":
		if container = all[0]; len(all) > 1 {
			fmt.Fprintf(call.Err(), "Container %s of %s; choose another one with -c.\n", container, strings.Join(all, ", "))
		}
	case !slices.Contains(all, container):
		return nil, "", fmt.Errorf("capsule %s has no container %s: it has %s", one.Spec.Name, container, strings.Join(all, ", "))
	}
	return one, container, nil
}

func logs(k *client.Client) *cobra.Command {
	var container, since string
	var previous bool
	opts := capsule.LogOptions{}
	c := k.Verb("logs CAPSULE", "Print the log of a container", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		var err error
		if opts.Since, err = streams.Moment(since, time.Now()); err != nil {
			return err
		}
		api, err := call.API()
		if err != nil {
			return err
		}
		one, container, err := in(call, api, args[0], container)
		if err != nil {
			return err
		}
		r, err := api.Logs(call.Context(), one.UUID, container, previous, opts)
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
	containerFlag(c, k, &container)
	f := c.Flags()
	f.BoolVarP(&opts.Follow, "follow", "f", false, "go on until the container ends")
	f.BoolVar(&opts.Timestamps, "timestamps", false, "print the time of each line")
	f.Int64Var(&opts.Tail, "tail", -1, "number of last lines; -1 is all")
	f.StringVar(&since, "since", "", "only what is newer: a duration, such as 10m, or a time of RFC 3339")
	f.BoolVarP(&previous, "previous", "p", false, "the attempt before the current one")
	return c
}

func exec(k *client.Client) *cobra.Command {
	var container string
	var stdin, tty bool
	c := k.Verb("exec CAPSULE [-it] [-c CONTAINER] -- COMMAND [ARG...]", "Run a command in a container", cobra.MinimumNArgs(2),
		func(call *client.Call, args []string) error {
			api, err := call.API()
			if err != nil {
				return err
			}
			one, container, err := in(call, api, args[0], container)
			if err != nil {
				return err
			}
			s := streams.Session{Out: call.Out(), Err: call.Err(), TTY: tty}
			if stdin {
				s.In = call.InOrStdin()
			}
			params := url.Values{"command": args[1:], "container": {container}}
			return s.Run(call.Context(), api, params, "capsules", one.UUID, "exec")
		})
	c.Long = "Run a command in a container. The exit code is the command's."
	c.Example = "  capsulet capsule exec -it web -- /bin/sh\n  capsulet capsule exec web -c db -- pg_dump shop > shop.sql"
	containerFlag(c, k, &container)
	c.Flags().BoolVarP(&stdin, "stdin", "i", false, "pass the input on")
	c.Flags().BoolVarP(&tty, "tty", "t", false, "give the command a terminal")
	return c
}

func attach(k *client.Client) *cobra.Command {
	var container string
	var stdin bool
	c := k.Verb("attach CAPSULE [-i] [-c CONTAINER]", "Join the main process of a container", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := call.API()
		if err != nil {
			return err
		}
		one, container, err := in(call, api, args[0], container)
		if err != nil {
			return err
		}
		cs, _ := one.Spec.Container(container)
		s := streams.Session{Out: call.Out(), Err: call.Err(), TTY: cs.TTY}
		if stdin {
			s.In = call.InOrStdin()
		}
		return s.Run(call.Context(), api, url.Values{"container": {container}}, "capsules", one.UUID, "attach")
	})
	containerFlag(c, k, &container)
	c.Flags().BoolVarP(&stdin, "stdin", "i", false, "pass the input on")
	return c
}

func portForward(k *client.Client) *cobra.Command {
	var addresses []string
	c := k.Verb("port-forward CAPSULE [LOCAL:]REMOTE...", "Open local ports that lead into a capsule", cobra.MinimumNArgs(2),
		func(call *client.Call, args []string) error {
			api, err := call.API()
			if err != nil {
				return err
			}
			return streams.Forward(call.Context(), api, addresses, args[1:], call.Out(), call.Err(), "capsules", args[0], "portforward")
		})
	c.Example = "  capsulet capsule port-forward web 8080:80"
	c.Flags().StringSliceVar(&addresses, "address", []string{"localhost"}, "local addresses to listen on")
	return c
}

func cp(k *client.Client) *cobra.Command {
	var container string
	c := streams.CopyVerb(k, "capsule", func(call *client.Call, name string) (string, string, error) {
		api, err := call.API()
		if err != nil {
			return "", "", err
		}
		one, container, err := in(call, api, name, container)
		if err != nil {
			return "", "", err
		}
		return one.UUID, container, nil
	})
	c.Flags().StringVarP(&container, "container", "c", "", "container; the first when not given")
	return c
}

func top(k *client.Client) *cobra.Command {
	var container, psArgs string
	c := k.Shows("top CAPSULE", "List the processes of a container", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := call.API()
		if err != nil {
			return err
		}
		one, container, err := in(call, api, args[0], container)
		if err != nil {
			return err
		}
		all, err := api.Processes(call.Context(), one.UUID, container, psArgs)
		if err != nil {
			return err
		}
		return call.List(all, nil, &output.Table{Head: all.Titles, Rows: all.Processes}, "processes")
	})
	containerFlag(c, k, &container)
	c.Flags().StringVar(&psArgs, "ps-args", "", "arguments of ps on the host, such as aux")
	return c
}
