package resources

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun/resources"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// hosts lists in the native form, which says why a host is down; show adds what is used of it.
func hosts() *cobra.Command {
	k, family := client.New("host", "The container hosts of a capsule server", "hosts")
	all := lister(k, "the container hosts", func(call *client.Call, _ resources.Client) error {
		api, err := call.API()
		if err != nil {
			return err
		}
		found, err := api.Hosts(call.Context())
		if err != nil {
			return err
		}
		return list(call, "hosts", found, func(h *capsule.Host) string { return h.Name },
			[]string{"NAME", "STATUS", "ADDRESS", "CPUS", "MEMORY", "ENGINE", "REASON"}, func(h *capsule.Host) []string {
				status := "Up"
				if !h.Up {
					status = "Down"
				}
				if h.Disabled {
					status += ",Disabled"
				}
				return []string{h.Name, status, h.Address, strconv.Itoa(h.CPUs), fmt.Sprintf("%d MiB", h.MemoryBytes>>20),
					h.EngineName + " " + h.EngineVersion, h.Reason}
			})
	})
	one := shower(k, "HOST", func(call *client.Call, api resources.Client, id string) (any, string, *output.Sheet, error) {
		h, err := api.Host(call.Context(), id)
		s := &output.Sheet{}
		s.Line("Name", h.Hostname)
		s.Line("UUID", h.UUID)
		s.Line("Labels", output.Pairs(h.Labels))
		s.Line("CPUs", fmt.Sprintf("%g of %d asked for", h.CPUUsed, h.CPUs))
		s.Line("Memory", fmt.Sprintf("%d of %d MiB asked for", h.MemUsed, h.MemTotal))
		s.Line("Disk", fmt.Sprintf("%d of %d GiB in use", h.DiskUsed, h.DiskTotal))
		s.Line("Containers", strconv.Itoa(h.TotalContainers))
		s.Line("System", strings.Join([]string{h.OS, h.KernelVersion, h.Architecture}, ", "))
		s.Line("Runtimes", strings.Join(h.Runtimes, ", "))
		return h, h.Hostname, s, err
	})
	family.AddCommand(all, one)
	return family
}

// binary is the service of a host in Zun's words.
const binary = "zun-compute"

func services() *cobra.Command {
	k, family := client.New("service", "The services that serve the hosts; for administrators", "services")
	all := lister(k, "services", func(call *client.Call, api resources.Client) error {
		found, err := api.Services(call.Context())
		if err != nil {
			return err
		}
		return list(call, "services", found, func(s *resources.Service) string { return s.Host },
			[]string{"HOST", "BINARY", "STATE", "STATUS", "ZONE", "LAST SEEN", "REASON"}, func(s *resources.Service) []string {
				status := "enabled"
				if s.Disabled {
					status = "disabled"
				}
				state := s.State
				if s.ForcedDown {
					state += ",forced"
				}
				return []string{s.Host, s.Binary, state, status, s.AvailabilityZone, s.LastSeenUp, s.DisabledReason}
			})
	})
	family.AddCommand(all, serviceVerb(k, "enable", "Let hosts have new capsules and containers", "enabled", "enable"),
		disable(k), serviceVerb(k, "force-down", "Make hosts count as down", "counts as down", "force_down"),
		serviceVerb(k, "unforce-down", "Make hosts no longer count as down", "counts as it is", "force_down"), serviceVerb(k, "delete", "Forget what was said of services", "deleted", ""))
	return family
}

// serviceVerb acts on the services of hosts; without an action it deletes them.
func serviceVerb(k *client.Client, verb, short, done, action string) *cobra.Command {
	var of resources.Query
	c := k.Verb(verb+" HOST...", short, cobra.MinimumNArgs(1), func(call *client.Call, args []string) error {
		of = resources.Query{"binary": binary}
		if action == "force_down" {
			of["forced_down"] = strconv.FormatBool(verb == "force-down")
		}
		return serviceEach(call, args, done, action, of)
	})
	return c
}

func serviceEach(call *client.Call, hosts []string, done, action string, q resources.Query) error {
	api, err := of(call)
	if err != nil {
		return err
	}
	return call.Each("service of", done, client.Named(hosts), func(t client.Target) error {
		q["host"] = t.ID
		if action == "" {
			return api.DeleteService(call.Context(), q)
		}
		return api.ChangeService(call.Context(), action, q)
	})
}

func disable(k *client.Client) *cobra.Command {
	var reason string
	c := k.Verb("disable HOST...", "Keep new capsules and containers from hosts", cobra.MinimumNArgs(1), func(call *client.Call, args []string) error {
		return serviceEach(call, args, "disabled", "disable", resources.Query{"binary": binary, "disabled_reason": reason})
	})
	c.Flags().StringVar(&reason, "reason", "", "why, for people")
	return c
}

func zones() *cobra.Command {
	k, family := client.New("zone", "Availability zones", "zones", "availability-zone")
	family.AddCommand(lister(k, "availability zones", func(call *client.Call, api resources.Client) error {
		all, err := api.Zones(call.Context())
		if err != nil {
			return err
		}
		return list(call, "zones", all, func(z *resources.Zone) string { return z.Name }, []string{"NAME"},
			func(z *resources.Zone) []string { return []string{cmp.Or(z.Name, "-")} })
	}))
	return family
}
