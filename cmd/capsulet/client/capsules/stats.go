package capsules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

func stats(k *client.Client) *cobra.Command {
	var s client.Selection
	var noStream, perContainer bool
	c := k.Shows("stats [CAPSULE...]", "Show what running capsules use", cobra.ArbitraryArgs, func(call *client.Call, args []string) error {
		matches, err := s.Matcher()
		if err != nil {
			return err
		}
		api, err := call.API()
		if err != nil {
			return err
		}
		live := !noStream && call.Format.ForPeople()
		return call.Repeat(live, func() (*output.Table, error) {
			report, names, err := measured(call, api, matches, args)
			if err == nil && !live && slices.ContainsFunc(report, unrated) {
				if err = client.Sleep(call.Context(), ratedAfter); err == nil {
					report, names, err = measured(call, api, matches, args)
				}
			}
			if err != nil {
				return nil, err
			}
			if call.Format.ForPeople() {
				return figures(report, names, perContainer), nil
			}
			uuids := make([]string, len(report))
			for i := range report {
				uuids[i] = report[i].UUID
			}
			return nil, call.Format.Print(call.Out(), report, uuids...)
		})
	})
	s.BindSelector(c)
	c.Flags().BoolVar(&noStream, "no-stream", false, "show it once, and end")
	c.Flags().BoolVar(&perContainer, "containers", false, "a line for each container")
	return c
}

// ratedAfter is when a second reading tells how much of the CPU is used.
const ratedAfter = 1100 * time.Millisecond

// unrated says whether nobody had asked before for what a capsule uses.
func unrated(s capsule.Stats) bool {
	return s.CPUNanoCores == nil || slices.ContainsFunc(s.Containers, func(c capsule.ContainerStats) bool { return c.CPUNanoCores == nil })
}

// measured is what the capsules use that are named, or else that match, and their names by UUID.
func measured(call *client.Call, api *zun.Client, matches func(map[string]string) bool, args []string) ([]capsule.Stats, map[string]string, error) {
	all, _, err := api.List(call.Context())
	if err != nil {
		return nil, nil, err
	}
	wanted, found := map[string]string{}, map[string]bool{}
	for _, c := range all {
		chosen := len(args) == 0 && matches(c.Spec.Labels)
		for _, name := range args {
			if name == c.UUID || name == c.Spec.Name {
				chosen, found[name] = true, true
			}
		}
		if chosen {
			wanted[c.UUID] = c.Spec.Name
		}
	}
	var missing []error
	for _, name := range args {
		if !found[name] {
			missing = append(missing, fmt.Errorf("there is no capsule %s in the project", name))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return nil, nil, err
	}
	report, err := api.Stats(call.Context())
	if err != nil {
		return nil, nil, err
	}
	some := []capsule.Stats{}
	for i := range report.Capsules {
		if _, ok := wanted[report.Capsules[i].UUID]; ok {
			some = append(some, report.Capsules[i])
		}
	}
	return some, wanted, nil
}

// figures is the table of what capsules use. The rate of the CPU is known from the second reading of the server on, which a far
// host takes ten seconds after the first.
func figures(all []capsule.Stats, names map[string]string, perContainer bool) *output.Table {
	t := &output.Table{Head: []string{"CAPSULE", "CONTAINER", "CPU", "MEMORY", "RECEIVED", "SENT", "READ", "WRITTEN"}}
	for i := range all {
		s := &all[i]
		var received, sent uint64
		for _, n := range s.Network {
			received, sent = received+n.RxBytes, sent+n.TxBytes
		}
		if !perContainer {
			t.Rows = append(t.Rows, append([]string{names[s.UUID], "", cores(s.Usage), memory(s.Usage), output.Size(int64(received)), output.Size(int64(sent))},
				disks(s.Usage)...))
			continue
		}
		for j := range s.Containers {
			c := &s.Containers[j]
			t.Rows = append(t.Rows, append([]string{names[s.UUID], c.Name, cores(c.Usage), memory(c.Usage), "", ""}, disks(c.Usage)...))
		}
	}
	return t
}

// cores is in percent of one.
func cores(u capsule.Usage) string {
	if u.CPUNanoCores == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", float64(*u.CPUNanoCores)/1e7)
}

func memory(u capsule.Usage) string { return output.Size(int64(u.WorkingSetBytes)) }

// disks is what was read from and written to them.
func disks(u capsule.Usage) []string {
	read, written := u.DiskBytes()
	return []string{output.Size(int64(read)), output.Size(int64(written))}
}
