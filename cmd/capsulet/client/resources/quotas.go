package resources

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// units of the resources that have one.
var units = map[string]string{"memory": " MiB", "disk": " GiB"}

func quotas() *cobra.Command {
	k, family := client.New("quota", "What projects may have", "quotas")
	var usages bool
	show := k.Shows("show PROJECT", "Show the limits of a project", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		// People want to know how much is left, so they see what is in use at once.
		q, err := api.Quota(call.Context(), args[0], usages || call.Format.ForPeople())
		if err != nil {
			return err
		}
		return printQuota(call, q, args[0])
	})
	show.Aliases = []string{"get"}
	show.Flags().BoolVar(&usages, "usages", false, "what is in use, too; without -o it is always shown")
	defaults := k.Shows("defaults PROJECT", "Show the limits of a project that was given none", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		q, err := api.QuotaDefaults(call.Context(), args[0])
		if err != nil {
			return err
		}
		return printQuota(call, q, args[0])
	})
	update := limitsVerb(k, "update PROJECT", "Change limits of a project; for administrators", func(call *client.Call, api resources.Client, project string, limits map[string]int64) (resources.Quota, error) {
		return api.UpdateQuota(call.Context(), project, limits)
	})
	remove := k.Verb("delete PROJECT...", "Give projects the default limits; for administrators", cobra.MinimumNArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		return call.Each("quota of", "deleted", client.Named(args), func(t client.Target) error { return api.DeleteQuota(call.Context(), t.ID) })
	})
	family.AddCommand(show, defaults, update, remove)
	return family
}

func quotaClasses() *cobra.Command {
	k, family := client.New("quota-class", "Limits of classes; those of the class default are the defaults", "quota-classes")
	show := k.Shows("show CLASS", "Show the limits of a class", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		q, err := api.QuotaClass(call.Context(), args[0])
		if err != nil {
			return err
		}
		return printQuota(call, q, args[0])
	})
	show.Aliases = []string{"get"}
	family.AddCommand(show, limitsVerb(k, "update CLASS", "Change limits of a class", func(call *client.Call, api resources.Client, class string, limits map[string]int64) (resources.Quota, error) {
		return api.UpdateQuotaClass(call.Context(), class, limits)
	}))
	return family
}

// limitsVerb makes a command that changes limits.
func limitsVerb(k *client.Client, use, short string, change func(*client.Call, resources.Client, string, map[string]int64) (resources.Quota, error)) *cobra.Command {
	values := map[string]*int64{}
	c := k.Shows(use, short, cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		limits := map[string]int64{}
		for name, value := range values {
			if call.Flags().Changed(name) {
				limits[name] = *value
			}
		}
		if len(limits) == 0 {
			return errors.New("say what to change: --containers, --cpu, --memory or --disk")
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		q, err := change(call, api, args[0], limits)
		if err != nil {
			return err
		}
		return printQuota(call, q, args[0])
	})
	for name, usage := range map[string]string{"containers": "containers", "cpu": "cores", "memory": "MiB", "disk": "GiB"} {
		values[name] = c.Flags().Int64(name, 0, usage+"; -1 is no limit")
	}
	return c
}

func printQuota(call *client.Call, q resources.Quota, of string) error {
	t := output.Table{Head: []string{"RESOURCE", "LIMIT", "IN USE"}}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		limit := strconv.FormatInt(q[name].Limit, 10) + units[name]
		if q[name].Limit < 0 {
			limit = "none"
		}
		used := "-"
		if n := q[name].InUse; n != nil {
			used = fmt.Sprintf("%g", *n) + units[name]
		}
		t.Rows = append(t.Rows, []string{name, limit, used})
	}
	return call.List(q, []string{of}, &t, "limits")
}
