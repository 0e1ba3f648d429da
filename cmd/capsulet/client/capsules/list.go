package capsules

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// listing is which capsules are shown, and how.
type listing struct {
	client.Selection
	allProjects, watch bool
}

func list(k *client.Client) *cobra.Command {
	var l listing
	c := k.Shows("list", "List capsules", cobra.NoArgs, func(call *client.Call, _ []string) error {
		matches, err := l.Matcher()
		if err != nil {
			return err
		}
		if l.watch && !call.Format.ForPeople() {
			return errors.New("--watch prints lines for people: leave -o out, or say -o wide")
		}
		api, err := call.API()
		if err != nil {
			return err
		}
		if l.watch {
			return l.follow(call, api, matches)
		}
		all, _, err := l.read(call.Context(), api)
		if err != nil {
			return err
		}
		all = filter(all, matches)
		if !call.Format.ForPeople() {
			list, uuids := showAll(all)
			return call.Format.Print(call.Out(), list, uuids...)
		}
		if len(all) == 0 {
			fmt.Fprintln(call.Err(), "No capsules.")
			return nil
		}
		return l.table(call, all).Write(call.Out())
	})
	c.Aliases = []string{"ls"}
	l.BindSelector(c)
	c.Flags().BoolVar(&l.allProjects, "all-projects", false, "those of every project; for administrators")
	c.Flags().BoolVarP(&l.watch, "watch", "w", false, "go on and print what changes")
	return c
}

func (l *listing) read(ctx context.Context, api *zun.Client) ([]*capsule.Capsule, int64, error) {
	if l.allProjects {
		return api.ListAllProjects(ctx)
	}
	return api.List(ctx)
}

func filter(all []*capsule.Capsule, matches func(map[string]string) bool) []*capsule.Capsule {
	var some []*capsule.Capsule
	for _, c := range all {
		if matches(c.Spec.Labels) {
			some = append(some, c)
		}
	}
	return some
}

func (l *listing) table(call *client.Call, all []*capsule.Capsule) *output.Table {
	wide, now := call.Format == output.Wide, time.Now()
	t := &output.Table{Colour: colour}
	t.Head = l.cells(wide, []string{"PROJECT"}, []string{"NAME", "STATUS", "READY", "RESTARTS", "AGE", "ADDRESS"}, []string{"HOST", "UUID", "REASON"})
	for _, c := range all {
		t.Rows = append(t.Rows, l.row(c, c.Status(), wide, now))
	}
	return t
}

func (l *listing) row(c *capsule.Capsule, status string, wide bool, now time.Time) []string {
	ready, restarts := 0, 0
	for i := range c.Facts.Containers {
		cf := &c.Facts.Containers[i]
		if cf.Ready && !cf.Init {
			ready++
		}
		if cf.Run != nil {
			restarts += cf.Run.Attempt
		}
	}
	return l.cells(wide, []string{c.Project},
		[]string{c.Spec.Name, status, fmt.Sprintf("%d/%d", ready, len(c.Spec.Containers)), strconv.Itoa(restarts),
			duration.HumanDuration(now.Sub(c.CreatedAt)), strings.Join(c.Facts.Sandbox.Addresses, ",")},
		[]string{c.Claim.Host, c.UUID, c.StatusReason()})
}

func (l *listing) cells(wide bool, project, usual, more []string) []string {
	if l.allProjects {
		usual = append(project, usual...)
	}
	if wide {
		usual = append(usual, more...)
	}
	return usual
}

// colour is that of cells that are a status, in whatever column.
func colour(_ int, cell string) string { return output.Status(cell) }

// follow prints the list, and a line for every change until the caller has enough.
func (l *listing) follow(call *client.Call, api *zun.Client, matches func(map[string]string) bool) error {
	var t *output.Table
	wide := call.Format == output.Wide
	return l.stream(call.Context(), api, func(all []*capsule.Capsule) error {
		if t == nil {
			t = l.table(call, filter(all, matches))
			return t.Write(call.Out())
		}
		return nil // it was listed again after a gap; what follows is complete
	}, func(e zun.Event) error {
		if e.Capsule == nil || !matches(e.Capsule.Spec.Labels) {
			return nil
		}
		status := e.Capsule.Status()
		if e.Type == zun.Deleted {
			status = "Deleted"
		}
		t.Rows = [][]string{l.row(e.Capsule, status, wide, time.Now())}
		return t.Write(call.Out())
	})
}

// watchAgain is how long a watch that broke is left alone.
const watchAgain = time.Second

// stream lists, and watches from there. It watches again when a watch breaks, and lists again when the server has forgotten the
// changes since. It ends with ctx or with an error of the functions.
func (l *listing) stream(ctx context.Context, api *zun.Client, onList func([]*capsule.Capsule) error, onEvent func(zun.Event) error) error {
	all, revision, err := l.read(ctx, api)
	if err == nil {
		err = onList(all)
	}
	for err == nil {
		watch := api.Watch
		if l.allProjects {
			watch = api.WatchAllProjects
		}
		var events <-chan zun.Event
		if events, err = watch(ctx, revision); err == nil {
			revision, err = drain(events, revision, onEvent)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errdefs.IsOutOfRange(err):
			if all, revision, err = l.read(ctx, api); err == nil {
				err = onList(all)
			}
		case errdefs.IsUnavailable(err):
			err = nil
			_ = client.Sleep(ctx, watchAgain) // its end is looked at first
		}
	}
	return err
}

// drain hands events on until the watch breaks, and says up to which revision.
func drain(events <-chan zun.Event, revision int64, onEvent func(zun.Event) error) (int64, error) {
	var failed error
	for e := range events { // to its end, whatever happens: else the reader of the stream would hang
		if failed != nil {
			continue
		}
		if e.Type == zun.Broken {
			failed = e.Err
			continue
		}
		revision = e.Revision
		failed = onEvent(e)
	}
	return revision, failed
}

func show(k *client.Client) *cobra.Command {
	c := k.Shows("show CAPSULE...", "Show capsules by name or UUID", cobra.MinimumNArgs(1), func(call *client.Call, args []string) error {
		api, err := call.API()
		if err != nil {
			return err
		}
		var all []*capsule.Capsule
		failed := call.Each("capsule", "", client.Named(args), func(t client.Target) error {
			one, err := api.Get(call.Context(), t.ID)
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
	return c
}

// printAll describes capsules for people, or prints them for programs, one alone as itself.
func printAll(call *client.Call, all []*capsule.Capsule, single bool) error {
	if len(all) == 0 {
		return nil
	}
	list, uuids := showAll(all)
	if !call.Format.ForPeople() {
		if single {
			return call.Format.Print(call.Out(), list[0], uuids...)
		}
		return call.Format.Print(call.Out(), list, uuids...)
	}
	for i, c := range all {
		if i > 0 {
			fmt.Fprintln(call.Out())
		}
		if err := describe(c, time.Now()).Print(call.Out()); err != nil {
			return err
		}
	}
	return nil
}
