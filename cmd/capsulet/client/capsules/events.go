package capsules

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

func events(k *client.Client) *cobra.Command {
	var l listing
	c := k.Verb("events [CAPSULE]", "Tell what has happened to capsules, and with -w what happens", cobra.MaximumNArgs(1),
		func(call *client.Call, args []string) error {
			matches, err := l.Matcher()
			if err != nil {
				return err
			}
			api, err := call.API()
			if err != nil {
				return err
			}
			only := ""
			if len(args) == 1 {
				one, err := api.Get(call.Context(), args[0])
				if err != nil {
					return err
				}
				only = one.UUID
			}
			wanted := func(c *capsule.Capsule) bool { return matches(c.Spec.Labels) && (only == "" || c.UUID == only) }
			return l.tell(call, api, wanted)
		})
	c.Long = "Tell what has happened to capsules, and with -w what happens. What has happened is derived from what the server knows of a\n" +
		"capsule now: of a container that was started many times, the newest two."
	l.BindSelector(c)
	c.Flags().BoolVar(&l.allProjects, "all-projects", false, "those of every project; for administrators")
	c.Flags().BoolVarP(&l.watch, "watch", "w", false, "go on and print what happens")
	return c
}

// line is a happening and whose it is.
type line struct {
	capsule string
	happening
}

// tell prints the past and, when asked, the present.
func (l *listing) tell(call *client.Call, api *zun.Client, wanted func(*capsule.Capsule) bool) error {
	t := &output.Table{Head: []string{"AGE", "CAPSULE", "REASON", "CONTAINER", "MESSAGE"}}
	write := func(lines []line) error {
		slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
		t.Rows = nil
		for _, h := range lines {
			t.Rows = append(t.Rows, []string{duration.HumanDuration(time.Since(h.at)), h.capsule, h.reason, h.object, h.message})
		}
		return t.Write(call.Out())
	}
	known := map[string][]happening{}
	learn := func(c *capsule.Capsule) (lines []line) {
		now := history(c)
		for _, h := range news(known[c.UUID], now) {
			lines = append(lines, line{c.Spec.Name, h})
		}
		known[c.UUID] = now
		return lines
	}
	onList := func(all []*capsule.Capsule) error {
		var lines []line
		for _, c := range all {
			if wanted(c) {
				lines = append(lines, learn(c)...)
			}
		}
		if len(lines) == 0 && !l.watch {
			fmt.Fprintln(call.Err(), "Nothing has happened.")
			return nil
		}
		return write(lines)
	}
	if !l.watch {
		all, _, err := l.read(call.Context(), api)
		if err != nil {
			return err
		}
		return onList(all)
	}
	return l.stream(call.Context(), api, onList, func(e zun.Event) error {
		if e.Capsule == nil || !wanted(e.Capsule) {
			return nil
		}
		lines := learn(e.Capsule)
		if e.Type == zun.Deleted {
			delete(known, e.Capsule.UUID)
			lines = append(lines, line{e.Capsule.Spec.Name, happening{at: time.Now(), reason: "Deleted"}})
		}
		return write(lines)
	})
}
