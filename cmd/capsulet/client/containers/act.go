package containers

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// action is a verb that asks for one action of the API.
type action struct {
	verb, short, done string
	aliases           []string
	// name is the API's; parameters are its, as flags.
	name       string
	parameters []parameter
	// then is what it leads to, for --wait.
	then condition
}

type parameter struct{ flag, name, short, usage string }

var grace = parameter{"timeout", "timeout", "t", "seconds until it is killed; the server's default when not given"}

var actions = []action{
	{verb: "start", name: "start", short: "Start containers", done: "is being started", then: running},
	{verb: "stop", name: "stop", short: "Stop containers", done: "is being stopped", parameters: []parameter{grace}, then: stopped},
	{verb: "restart", name: "reboot", short: "Stop containers and start them again", done: "is being restarted", aliases: []string{"reboot"},
		parameters: []parameter{grace}, then: running},
	{verb: "pause", name: "pause", short: "Freeze the processes of containers", done: "is being paused", then: paused},
	{verb: "unpause", name: "unpause", short: "Let the processes of paused containers go on", done: "is being unpaused", then: running},
	{verb: "kill", name: "kill", short: "Send a signal to the main process of containers", done: "was sent the signal",
		parameters: []parameter{{"signal", "signal", "s", "signal, such as SIGHUP; SIGKILL when not given"}}, then: stopped},
	{verb: "rebuild", name: "rebuild", short: "Make containers anew", done: "is being rebuilt", parameters: []parameter{
		{"image", "image", "", "another image"}, {"image-driver", "image_driver", "", "docker or glance"}}, then: running},
}

func act(k *client.Client, a action) *cobra.Command {
	var s client.Selection
	var wait bool
	var patience time.Duration
	values := make([]string, len(a.parameters))
	c := k.Verb(a.verb+" CONTAINER...", a.short, cobra.ArbitraryArgs, func(call *client.Call, args []string) error {
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
		q := resources.Query{}
		for i, p := range a.parameters {
			q[p.name] = values[i]
		}
		failed := call.Each("container", a.done, targets, func(t client.Target) error { return api.Act(call.Context(), t.ID, a.name, q) })
		if !wait || call.Context().Err() != nil {
			return failed
		}
		left := client.Together(patience)
		return errors.Join(failed, call.Each("container", a.then.word, targets, func(t client.Target) error {
			_, err := until(call, t, a.then, left())
			return err
		}))
	})
	c.Aliases = a.aliases
	s.Bind(c)
	for i, p := range a.parameters {
		c.Flags().StringVarP(&values[i], p.flag, p.short, "", p.usage)
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until it is "+a.then.word)
	c.Flags().DurationVar(&patience, "wait-timeout", 5*time.Minute, "of --wait; 0 waits for ever")
	return c
}

func rename(k *client.Client) *cobra.Command {
	return k.Verb("rename CONTAINER NAME", "Give a container another name", cobra.ExactArgs(2), func(call *client.Call, args []string) error {
		return change(call, args[0], "", map[string]any{"name": args[1]}, "is now "+args[1])
	})
}

func update(k *client.Client) *cobra.Command {
	var name, memory, in string
	var cpu float64
	var heal bool
	c := k.Verb("update CONTAINER", "Change the name, cpu, memory or healing of a container", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		changes := map[string]any{}
		if call.Flags().Changed("cpu") {
			changes["cpu"] = cpu
		}
		if memory != "" {
			mib, err := mebibytes(memory)
			if err != nil {
				return err
			}
			changes["memory"] = mib
		}
		if name != "" {
			changes["name"] = name
		}
		if call.Flags().Changed("auto-heal") {
			changes["auto_heal"] = heal
		}
		if len(changes) == 0 {
			return errors.New("say what to change: --name, --cpu, --memory or --auto-heal")
		}
		return change(call, args[0], in, changes, "updated")
	})
	f := c.Flags()
	f.StringVar(&name, "name", "", "new name")
	f.Float64Var(&cpu, "cpu", 0, "cores")
	f.StringVarP(&memory, "memory", "m", "", "memory: MiB, or with a unit, such as 512M or 2Gi")
	bindCapsule(c, &in)
	f.BoolVar(&heal, "auto-heal", false, "make it anew if it vanishes; --auto-heal=false does not")
	return c
}

// bindCapsule adds --capsule.
func bindCapsule(c *cobra.Command, in *string) {
	c.Flags().StringVar(in, "capsule", "", "capsule that the container belongs to, by name or UUID")
}

func change(call *client.Call, id, in string, changes map[string]any, word string) error {
	api, err := of(call)
	if err != nil {
		return err
	}
	return call.Each("container", word, client.Named([]string{id}), func(t client.Target) error {
		_, err := api.UpdateContainer(call.Context(), t.ID, resources.Query{"capsule": in}, changes)
		return err
	})
}

func commit(k *client.Client) *cobra.Command {
	return k.Verb("commit CONTAINER REPOSITORY[:TAG]", "Make an image of the files of a container", cobra.ExactArgs(2), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		repository, tag := reference(args[1])
		return call.Each("container", "is being committed to "+args[1], client.Named(args[:1]), func(t client.Target) error {
			return api.Act(call.Context(), t.ID, "commit", resources.Query{"repository": repository, "tag": tag})
		})
	})
}

// reference cuts the tag off: what follows the last colon, if no slash does.
func reference(text string) (repository, tag string) {
	for i := len(text) - 1; i >= 0 && text[i] != '/'; i-- {
		if text[i] == ':' {
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

func network(k *client.Client, verb string) *cobra.Command {
	var port, address string
	c := k.Verb("network-"+verb+" CONTAINER [NETWORK]", map[string]string{"attach": "Let a container join a network", "detach": "Take a container out of a network"}[verb],
		cobra.RangeArgs(1, 2), func(call *client.Call, args []string) error {
			q := resources.Query{"port": port, "fixed_ip": address}
			if len(args) == 2 {
				q["network"] = args[1]
			}
			if (q["network"] == "") == (port == "") {
				return errors.New("give a network or --port, and not both")
			}
			api, err := of(call)
			if err != nil {
				return err
			}
			return call.Each("container", map[string]string{"attach": "joins", "detach": "leaves"}[verb]+" the network", client.Named(args[:1]), func(t client.Target) error {
				return api.Act(call.Context(), t.ID, "network_"+verb, q)
			})
		})
	c.Flags().StringVar(&port, "port", "", "port, by its UUID, instead of a network")
	if verb == "attach" {
		c.Flags().StringVar(&address, "fixed-ip", "", "address to have there")
	}
	return c
}

func networks(k *client.Client) *cobra.Command {
	return k.Shows("network-list CONTAINER", "List the networks that a container is in", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		all, err := api.ContainerNetworks(call.Context(), args[0])
		if err != nil {
			return err
		}
		ids := make([]string, len(all))
		t := output.Table{Head: []string{"NETWORK", "PORT", "ADDRESSES"}}
		for i, a := range all {
			ids[i] = a.NetID
			addresses := ""
			for _, ip := range a.FixedIPs {
				addresses += ip.IPAddress + " "
			}
			t.Rows = append(t.Rows, []string{a.NetID, a.PortID, addresses})
		}
		if call.Format.ForPeople() {
			return t.Write(call.Out())
		}
		return call.Format.Print(call.Out(), all, ids...)
	})
}

// history lists the actions of a container, or shows one with its events.
func history(k *client.Client) *cobra.Command {
	c := k.Shows("actions CONTAINER [REQUEST]", "List what was asked of a container, or show one request with its steps", cobra.RangeArgs(1, 2), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		if len(args) == 2 {
			one, err := api.Action(call.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if !call.Format.ForPeople() {
				return call.Format.Print(call.Out(), one, one.RequestID)
			}
			t := output.Table{Head: []string{"EVENT", "STARTED", "FINISHED", "RESULT"}}
			for _, e := range one.Events {
				t.Rows = append(t.Rows, []string{e.Event, e.StartTime, e.FinishTime, e.Result})
			}
			return t.Write(call.Out())
		}
		all, err := api.Actions(call.Context(), args[0])
		if err != nil {
			return err
		}
		ids := make([]string, len(all))
		t := output.Table{Head: []string{"ACTION", "STARTED", "FINISHED", "REQUEST", "MESSAGE"}}
		for i := range all {
			a := &all[i]
			ids[i] = a.RequestID
			t.Rows = append(t.Rows, []string{a.Action, a.StartTime, a.FinishTime, a.RequestID, a.Message})
		}
		if call.Format.ForPeople() {
			return t.Write(call.Out())
		}
		return call.Format.Print(call.Out(), all, ids...)
	})
	c.Aliases = []string{"events", "action-list"}
	c.Example = fmt.Sprintf("  capsulet container actions web\n  capsulet container actions web req-%s", strconv.Itoa(1))
	return c
}
