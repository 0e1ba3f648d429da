package capsules

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/client/documents"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/translate/manifest"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
	"github.com/capsulet/capsulet/zunserver/capsule/template/forms"
)

// wanted is a document that was understood. It is sent as it is: what it means is the server's to say.
type wanted struct {
	source string
	spec   capsule.Spec
	doc    json.RawMessage
}

// parse reads the documents of -f. All are understood before the first is sent.
func parse(call *client.Call, files documents.Files) ([]wanted, error) {
	docs, err := files.Read(call.InOrStdin())
	if err != nil {
		return nil, err
	}
	all := make([]wanted, len(docs))
	for i, d := range docs {
		kind, doc, err := template.Kind(d.Body)
		all[i] = wanted{source: d.Source, doc: doc}
		switch {
		case err != nil:
		case kind == "Pod":
			all[i].spec, _, err = manifest.Capsule(doc)
		default: // whether something serves volumes with a size is the server's to say
			all[i].spec, _, err = template.ParseWith(doc, template.Options{Sized: forms.Local})
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Source, err)
		}
	}
	return all, nil
}

// sending is what create, update and apply have in common.
type sending struct {
	files   documents.Files
	wait    bool
	timeout time.Duration
	inPlace bool
}

func (s *sending) bind(c *cobra.Command) {
	s.files.Bind(c, "template")
	c.Flags().BoolVar(&s.wait, "wait", false, "wait until it runs")
	c.Flags().DurationVar(&s.timeout, "timeout", 5*time.Minute, "of --wait")
}

// send acts on each document and prints what came of it: in the format of -o, or "capsule NAME WORD".
func (s *sending) send(call *client.Call, all []wanted, act func(*zun.Client, wanted) (*capsule.Capsule, string, error)) error {
	api, err := call.API()
	if err != nil {
		return err
	}
	targets := make([]client.Target, len(all))
	byID := map[string]wanted{}
	for i, w := range all {
		targets[i] = client.Target{Name: w.spec.Name, ID: fmt.Sprint(i)}
		byID[targets[i].ID] = w
	}
	var made []*capsule.Capsule
	failed := call.Each("capsule", "", targets, func(t client.Target) error {
		w := byID[t.ID]
		one, word, err := act(api, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.source, err)
		}
		if call.Format.ForPeople() {
			fmt.Fprintf(call.Out(), "capsule %s %s\n", one.Spec.Name, word)
		}
		if s.wait {
			if one, err = until(call, api, client.Target{Name: one.Spec.Name, ID: one.UUID}, running, s.timeout); err != nil {
				return err
			}
		}
		made = append(made, one)
		return nil
	})
	list, uuids := showAll(made)
	var v any = list
	if len(all) == 1 && len(list) == 1 {
		v = list[0]
	}
	if len(list) > 0 {
		if err := call.Format.Print(call.Out(), v, uuids...); err != nil {
			return err
		}
	}
	return failed
}

func create(k *client.Client) *cobra.Command {
	var s sending
	c := k.Shows("create -f FILE", "Create capsules from templates", cobra.NoArgs, func(call *client.Call, _ []string) error {
		all, err := parse(call, s.files)
		if err != nil {
			return err
		}
		return s.send(call, all, func(api *zun.Client, w wanted) (*capsule.Capsule, string, error) {
			made, err := api.CreateFrom(call.Context(), w.doc)
			if err != nil {
				return nil, "", err
			}
			return made, "created, UUID " + made.UUID, nil
		})
	})
	c.Example = "  capsulet capsule create -f examples/capsule.yaml\n  cat web.yaml db.yaml | capsulet capsule create -f - --wait"
	s.bind(c)
	return c
}

func update(k *client.Client) *cobra.Command {
	var s sending
	c := k.Shows("update CAPSULE -f FILE", "Make a capsule what another template says", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		all, err := parse(call, s.files)
		if err != nil {
			return err
		}
		if len(all) != 1 {
			return fmt.Errorf("one template is needed, and there are %d", len(all))
		}
		return s.send(call, all, func(api *zun.Client, w wanted) (*capsule.Capsule, string, error) {
			was, err := api.Get(call.Context(), args[0])
			if err != nil {
				return nil, "", err
			}
			return s.change(call, api, was, w)
		})
	})
	s.bind(c)
	s.bindInPlace(c)
	return c
}

// apply creates what is not there and updates what is, by name.
func apply(k *client.Client) *cobra.Command {
	var s sending
	c := k.Shows("apply -f FILE", "Create capsules that are not there, update those that are, by name", cobra.NoArgs, func(call *client.Call, _ []string) error {
		all, err := parse(call, s.files)
		if err != nil {
			return err
		}
		return s.send(call, all, func(api *zun.Client, w wanted) (*capsule.Capsule, string, error) {
			was, err := api.Get(call.Context(), w.spec.Name)
			if errdefs.IsNotFound(err) {
				made, err := api.CreateFrom(call.Context(), w.doc)
				return made, "created", err
			}
			if err != nil {
				return nil, "", err
			}
			return s.change(call, api, was, w)
		})
	})
	s.bind(c)
	s.bindInPlace(c)
	return c
}

// bindInPlace adds the flag of what changes a capsule that is there.
func (s *sending) bindInPlace(c *cobra.Command) {
	c.Flags().BoolVar(&s.inPlace, "in-place", false, "make containers with another image again where they are, and refuse what needs a new revision")
}

func (s *sending) change(call *client.Call, api *zun.Client, was *capsule.Capsule, w wanted) (*capsule.Capsule, string, error) {
	now, err := api.Revise(call.Context(), was.UUID, w.doc, s.inPlace)
	if err != nil {
		return nil, "", err
	}
	word := "updated"
	switch {
	case now.Upgrade != nil && now.Upgrade.Successor != "":
		word = "upgrading: the former revision goes when the new one is healthy"
	case now.Revision == was.Revision:
		word = "unchanged"
	}
	return now, word, nil
}
