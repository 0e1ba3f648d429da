package containers

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/client/documents"
	"github.com/capsulet/capsulet/cmd/capsulet/client/streams"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

func create(k *client.Client) *cobra.Command {
	var n creation
	var files documents.Files
	c := k.Shows("create IMAGE [-- COMMAND [ARG...]]", "Create containers without starting them", cobra.ArbitraryArgs, func(call *client.Call, args []string) error {
		switch {
		case len(files) > 0 && len(args) > 0:
			return errors.New("an image and -f exclude each other")
		case len(files) > 0:
			return fromFiles(call, files)
		case len(args) == 0:
			return errors.New("give an image, or documents with -f")
		}
		wanted, err := n.container(args)
		if err != nil {
			return err
		}
		made, err := send(call, wanted, false)
		if err != nil {
			return err
		}
		return tell(call, made, "created")
	})
	c.Example = "  capsulet container create --name db -e POSTGRES_PASSWORD -m 1G postgres:17\n" +
		"  capsulet container create -f containers.yaml"
	n.bind(c)
	c.Flags().StringArrayVarP((*[]string)(&files), "file", "f", nil, "containers as the API has them, in YAML or JSON: a file, a directory, or - for the input")
	return c
}

func send(call *client.Call, wanted resources.NewContainer, run bool) (resources.Container, error) {
	api, err := of(call)
	if err != nil {
		return resources.Container{}, err
	}
	return api.CreateContainer(call.Context(), wanted, run)
}

// tell prints a container that was made.
func tell(call *client.Call, made resources.Container, word string) error {
	if !call.Format.ForPeople() {
		return call.Format.Print(call.Out(), made, made.UUID)
	}
	_, err := fmt.Fprintf(call.Out(), "container %s %s, UUID %s\n", made.Name, word, made.UUID)
	return err
}

// fromFiles creates what documents describe. All are understood before the first is sent.
func fromFiles(call *client.Call, files documents.Files) error {
	docs, err := files.Read(call.InOrStdin())
	if err != nil {
		return err
	}
	wanted := make([]resources.NewContainer, len(docs))
	targets := make([]client.Target, len(docs))
	index := map[string]int{}
	for i, d := range docs {
		if err := yaml.UnmarshalStrict(d.Body, &wanted[i]); err != nil {
			return fmt.Errorf("%s: %w", d.Source, err)
		}
		targets[i] = client.Target{Name: d.Source, ID: fmt.Sprint(i)}
		index[targets[i].ID] = i
	}
	return call.Each("container", "", targets, func(t client.Target) error {
		made, err := send(call, wanted[index[t.ID]], false)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		return tell(call, made, "created")
	})
}

func run(k *client.Client) *cobra.Command {
	var n creation
	var wait, detach bool
	var timeout time.Duration
	c := k.Shows("run IMAGE [-- COMMAND [ARG...]]", "Create a container and start it", cobra.MinimumNArgs(1), func(call *client.Call, args []string) error {
		wanted, err := n.container(args)
		if err != nil {
			return err
		}
		made, err := send(call, wanted, true)
		if err != nil {
			return err
		}
		join := wanted.Interactive && !detach
		if !join {
			if err := tell(call, made, "started"); err != nil {
				return err
			}
		}
		if !wait && !join {
			return nil
		}
		if made, err = until(call, client.Target{Name: made.Name, ID: made.UUID}, running, timeout); err != nil || !join {
			return err
		}
		api, err := call.API()
		if err != nil {
			return err
		}
		s := streams.Session{In: call.InOrStdin(), Out: call.Out(), Err: call.Err(), TTY: made.TTY}
		return s.Run(call.Context(), api, url.Values{}, "capsules", made.UUID, "attach")
	})
	c.Long = "Create a container and start it. With -i this terminal is joined with it, unless -d is given."
	c.Example = "  capsulet container run --name web -p 8080:80 nginx\n  capsulet container run -it --rm debian -- bash"
	n.bind(c)
	c.Flags().BoolVarP(&detach, "detach", "d", false, "do not join it, even with -i")
	c.Flags().BoolVar(&wait, "wait", false, "wait until it runs")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "of --wait, and of -i; 0 waits for ever")
	return c
}
