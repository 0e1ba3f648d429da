package containers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// NewSandbox makes the command capsulet sandbox.
func NewSandbox() *cobra.Command {
	k, family := client.New("sandbox", "Sandboxes that containers are put into", "sandboxes")
	several := func(c *cobra.Command) *cobra.Command { return k.Complete(c, true, sandboxNames) }
	family.AddCommand(createSandbox(k), listSandboxes(k), several(showSandbox(k)), several(removeSandbox(k)))
	return family
}

func sandboxNames(ctx context.Context, api *zun.Client) ([]string, error) {
	all, err := resources.Of(api).Sandboxes(ctx, nil)
	if err != nil {
		return nil, err
	}
	found := make([]string, len(all))
	for i := range all {
		found[i] = all[i].Name
	}
	return found, nil
}

func createSandbox(k *client.Client) *cobra.Command {
	var name, hostname, zone, runtime string
	var labels, nets []string
	c := k.Shows("create", "Create a sandbox", cobra.NoArgs, func(call *client.Call, _ []string) error {
		wanted := map[string]any{}
		for key, value := range map[string]string{"name": name, "hostname": hostname, "availability_zone": zone, "runtime": runtime} {
			if value != "" {
				wanted[key] = value
			}
		}
		pairs, err := assignments("--label", labels)
		if err != nil {
			return err
		}
		if len(pairs) > 0 {
			wanted["labels"] = pairs
		}
		joined, err := networksOf(nets)
		if err != nil {
			return err
		}
		if len(joined) > 0 {
			wanted["nets"] = joined
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		made, err := api.CreateSandbox(call.Context(), wanted)
		if err != nil {
			return err
		}
		if !call.Format.ForPeople() {
			return call.Format.Print(call.Out(), made, made.UUID)
		}
		_, err = fmt.Fprintf(call.Out(), "sandbox %s created, UUID %s\n", made.Name, made.UUID)
		return err
	})
	c.Example = "  capsulet sandbox create --name shop\n  capsulet container run --sandbox shop --name web nginx"
	f := c.Flags()
	f.StringVar(&name, "name", "", "name; the server chooses one when not given")
	f.StringVar(&hostname, "hostname", "", "host name")
	f.StringVar(&zone, "availability-zone", "", "zone of the hosts to choose from")
	f.StringVar(&runtime, "runtime", "", "OCI runtime; for administrators")
	f.StringArrayVar(&nets, "net", nil, netUsage)
	f.StringArrayVarP(&labels, "label", "l", nil, "label: NAME=VALUE")
	return c
}

func listSandboxes(k *client.Client) *cobra.Command {
	var s client.Selection
	var allProjects bool
	c := k.Shows("list", "List sandboxes", cobra.NoArgs, func(call *client.Call, _ []string) error {
		matches, err := s.Matcher()
		if err != nil {
			return err
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		q := resources.Query{}
		if allProjects {
			q["all_projects"] = "1"
		}
		all, err := api.Sandboxes(call.Context(), q)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(s resources.Sandbox) bool { return !matches(s.Labels) })
		uuids := make([]string, len(all))
		t := output.Table{Head: []string{"NAME", "STATUS", "CONTAINERS", "AGE", "ADDRESS", "UUID"}, Colour: func(_ int, cell string) string { return output.Status(cell) }}
		for i := range all {
			one := &all[i]
			uuids[i] = one.UUID
			t.Rows = append(t.Rows, []string{one.Name, one.Status, strconv.Itoa(len(one.Containers)), age(one.CreatedAt),
				strings.Join(addresses(one.Addresses), ","), one.UUID})
		}
		return call.List(all, uuids, &t, "sandboxes")
	})
	c.Aliases = []string{"ls"}
	s.BindSelector(c)
	c.Flags().BoolVar(&allProjects, "all-projects", false, "those of every project; for administrators")
	return c
}

func showSandbox(k *client.Client) *cobra.Command {
	c := k.Shows("show SANDBOX", "Show a sandbox by name or UUID, and its containers", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		one, err := api.Sandbox(call.Context(), args[0])
		if err != nil {
			return err
		}
		var s output.Sheet
		s.Line("Name", one.Name)
		s.Line("UUID", one.UUID)
		s.Line("Project", one.ProjectID)
		s.Line("Labels", output.Pairs(one.Labels))
		s.Line("Created", one.CreatedAt+" UTC")
		s.Line("Status", one.Status)
		s.Line("Reason", one.StatusReason)
		s.Line("Host", one.Host)
		s.Line("Zone", one.Zone)
		s.Line("Addresses", strings.Join(addresses(one.Addresses), ", "))
		s.Line("Hostname", one.Hostname)
		if len(one.Containers) > 0 {
			s.Head("Containers:", "")
		}
		for i := range one.Containers {
			in := &one.Containers[i]
			s.Line("  "+in.Name, in.Status+", "+in.Image+", "+in.UUID)
		}
		return call.One(one, one.UUID, &s)
	})
	c.Aliases = []string{"describe", "get", "inspect"}
	return c
}

func removeSandbox(k *client.Client) *cobra.Command {
	var s client.Selection
	c := k.Verb("delete SANDBOX...", "Delete sandboxes that have no containers", cobra.ArbitraryArgs, func(call *client.Call, args []string) error {
		if _, err := s.Given(args); err != nil {
			return err
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		which, err := targets(&s, args, func() ([]resources.Sandbox, error) { return api.Sandboxes(call.Context(), nil) },
			func(s *resources.Sandbox) (client.Target, map[string]string) {
				return client.Target{Name: s.Name, ID: s.UUID}, s.Labels
			})
		if err != nil {
			return err
		}
		if len(which) == 0 {
			fmt.Fprintln(call.Err(), "No sandboxes.")
		}
		return call.Each("sandbox", "is being deleted", which, func(t client.Target) error {
			return api.DeleteSandbox(call.Context(), t.ID)
		})
	})
	c.Aliases = []string{"rm"}
	s.Bind(c)
	return c
}
