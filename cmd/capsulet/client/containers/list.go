package containers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// filters are parameters of the list, as flags.
var filters = []struct{ flag, name, usage string }{
	{"name", "name", "only those with the name"}, {"image", "image", "only those of the image"},
	{"status", "status", "only those with the status"}, {"host", "host", "only those on the host; for administrators"},
	{"capsule", "capsule", "those of the capsule, by name or UUID, in place of those of none"},
	{"project-id", "project_id", "only those of the project"}, {"user-id", "user_id", "only those of the user"},
}

func list(k *client.Client) *cobra.Command {
	var s client.Selection
	var allProjects bool
	values := make([]string, len(filters))
	c := k.Shows("list", "List containers", cobra.NoArgs, func(call *client.Call, _ []string) error {
		matches, err := s.Matcher()
		if err != nil {
			return err
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		q := resources.Query{}
		for i, f := range filters {
			q[f.name] = values[i]
		}
		if allProjects {
			q["all_projects"] = "1"
		}
		all, err := api.Containers(call.Context(), q)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(c resources.Container) bool { return !matches(c.Labels) })
		return printList(call, all, allProjects)
	})
	c.Aliases = []string{"ls", "ps"}
	s.BindSelector(c)
	c.Flags().BoolVar(&allProjects, "all-projects", false, "those of every project; for administrators")
	for i, f := range filters {
		c.Flags().StringVar(&values[i], f.flag, "", f.usage)
	}
	return c
}

func printList(call *client.Call, all []resources.Container, projects bool) error {
	if !call.Format.ForPeople() {
		uuids := make([]string, len(all))
		for i := range all {
			uuids[i] = all[i].UUID
		}
		return call.Format.Print(call.Out(), all, uuids...)
	}
	if len(all) == 0 {
		fmt.Fprintln(call.Err(), "No containers.")
		return nil
	}
	wide := call.Format == output.Wide
	t := output.Table{Head: []string{"NAME", "IMAGE", "STATUS", "DETAIL", "AGE", "ADDRESS"}, Colour: func(_ int, cell string) string { return output.Status(cell) }}
	extend := func(row []string, c *resources.Container) []string {
		if projects {
			row = append([]string{c.ProjectID}, row...)
		}
		if wide {
			row = append(row, c.Host, strings.Join(c.Command, " "), c.UUID, c.StatusReason)
		}
		return row
	}
	t.Head = extend(t.Head, &resources.Container{ProjectID: "PROJECT", Host: "HOST", Command: []string{"COMMAND"}, UUID: "UUID", StatusReason: "REASON"})
	for i := range all {
		c := &all[i]
		t.Rows = append(t.Rows, extend([]string{c.Name, c.Image, c.Status, strings.TrimSpace(c.StatusDetail), age(c.CreatedAt), strings.Join(addresses(c.Addresses), ",")}, c))
	}
	return t.Write(call.Out())
}

// addresses are those of all networks, sorted.
func addresses(networks map[string][]resources.Address) (all []string) {
	for _, network := range slices.Sorted(maps.Keys(networks)) {
		for _, a := range networks[network] {
			all = append(all, a.Addr)
		}
	}
	return all
}

// age is how long ago a time of Zun's was.
func age(text string) string {
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		return text
	}
	return duration.HumanDuration(time.Since(t))
}

func show(k *client.Client) *cobra.Command {
	var in string
	c := k.Shows("show CONTAINER...", "Show containers by name or UUID, also those of capsules by UUID, or by name with --capsule", cobra.MinimumNArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		var all []resources.Container
		failed := call.Each("container", "", client.Named(args), func(t client.Target) error {
			one, err := api.Container(call.Context(), t.ID, resources.Query{"capsule": in})
			if err == nil {
				all = append(all, one)
			}
			return err
		})
		if err := printAll(call, all, len(args) == 1); err != nil {
			return err
		}
		return failed
	})
	c.Aliases = []string{"describe", "get", "inspect"}
	bindCapsule(c, &in)
	return c
}

func printAll(call *client.Call, all []resources.Container, single bool) error {
	if len(all) == 0 {
		return nil
	}
	if !call.Format.ForPeople() {
		uuids := make([]string, len(all))
		for i := range all {
			uuids[i] = all[i].UUID
		}
		if single {
			return call.Format.Print(call.Out(), all[0], uuids...)
		}
		return call.Format.Print(call.Out(), all, uuids...)
	}
	for i := range all {
		if i > 0 {
			fmt.Fprintln(call.Out())
		}
		if err := describe(&all[i]).Print(call.Out()); err != nil {
			return err
		}
	}
	return nil
}

// describe is what people read of a container. What is empty is left out.
func describe(c *resources.Container) *output.Sheet {
	s := &output.Sheet{}
	s.Line("Name", c.Name)
	s.Line("UUID", c.UUID)
	s.Line("Project", c.ProjectID)
	s.Line("Labels", output.Pairs(c.Labels))
	s.Line("Created", c.CreatedAt+" UTC")
	s.Line("Status", c.Status)
	s.Line("Detail", strings.TrimSpace(c.StatusDetail))
	s.Line("Reason", c.StatusReason)
	s.Line("Under way", c.TaskState)
	s.Line("Host", c.Host)
	s.Line("Addresses", strings.Join(addresses(c.Addresses), ", "))
	s.Line("Hostname", c.Hostname)
	s.Line("Image", c.Image)
	s.Line("Entrypoint", output.Words(c.Entrypoint))
	s.Line("Command", output.Words(c.Command))
	s.Line("Directory", c.Workdir)
	ports := make([]string, len(c.Ports))
	for i, p := range c.Ports {
		ports[i] = strconv.Itoa(p)
	}
	s.Line("Ports", strings.Join(ports, ", "))
	s.Line("CPU", strconv.FormatFloat(c.CPU, 'f', -1, 64))
	if c.Memory != "" {
		s.Line("Memory", c.Memory+" MiB")
	}
	policy := c.RestartPolicy.Name
	if c.RestartPolicy.MaximumRetryCount != "" && c.RestartPolicy.MaximumRetryCount != "0" {
		policy += ", " + c.RestartPolicy.MaximumRetryCount + " times"
	}
	s.Line("Restart policy", policy)
	var flags []string
	for _, f := range []struct {
		name string
		on   bool
	}{{"interactive", c.Interactive}, {"tty", c.TTY}, {"auto-remove", c.AutoRemove}, {"auto-heal", c.AutoHeal}, {"privileged", c.Privileged}} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	s.Line("Flags", strings.Join(flags, ", "))
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		s.Line("Variable", name+"="+c.Environment[name])
	}
	return s
}
