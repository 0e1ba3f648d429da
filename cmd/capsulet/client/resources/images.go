package resources

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

func images() *cobra.Command {
	k, family := client.New("image", "Images of the hosts and of registries", "images")
	all := lister(k, "the images of the hosts; for administrators", func(call *client.Call, api resources.Client) error {
		found, err := api.Images(call.Context())
		if err != nil {
			return err
		}
		return list(call, "images", found, func(i *resources.Image) string { return i.UUID },
			[]string{"IMAGE", "TAG", "SIZE", "HOST", "STATUS", "UUID"}, func(i *resources.Image) []string {
				return []string{i.Repo, i.Tag, bytes(i.Size), i.Host, i.Status, i.UUID}
			})
	})
	one := shower(k, "IMAGE", func(call *client.Call, api resources.Client, id string) (any, string, *output.Sheet, error) {
		i, err := imageOf(call, api, id)
		s := &output.Sheet{}
		s.Line("UUID", i.UUID)
		s.Line("Image", i.Repo+":"+i.Tag)
		s.Line("ID", i.ImageID)
		s.Line("Size", bytes(i.Size))
		s.Line("Host", i.Host)
		s.Line("Project", i.ProjectID)
		s.Line("Status", i.Status)
		s.Line("Reason", i.StatusReason)
		return i, i.UUID, s, err
	})
	remove := deleter(k, "image", "IMAGE", func(call *client.Call, api resources.Client, id string) error {
		i, err := imageOf(call, api, id)
		if err != nil {
			return err
		}
		return api.DeleteImage(call.Context(), i.UUID)
	})
	family.AddCommand(all, one, pull(k), remove, search(k))
	return family
}

// imageOf is the image that a UUID or a name, REPOSITORY[:TAG], means; of several hosts one has to be chosen by its UUID.
func imageOf(call *client.Call, api resources.Client, ident string) (i resources.Image, err error) {
	if uuid.Validate(ident) == nil {
		return api.Image(call.Context(), ident)
	}
	all, err := api.Images(call.Context())
	if err != nil {
		return i, err
	}
	repo, tag := split(ident)
	var found []string
	for _, one := range all {
		if one.Repo == repo && one.Tag == cmp.Or(tag, "latest") {
			i = one
			found = append(found, one.UUID+" on "+one.Host)
		}
	}
	switch len(found) {
	case 0:
		return i, fmt.Errorf("no host has an image %s; see 'capsulet image list'", ident)
	case 1:
		return i, nil
	}
	return i, fmt.Errorf("several hosts have image %s; name one by its UUID: %s", ident, strings.Join(found, ", "))
}

// split cuts the tag off.
func split(ref string) (repo, tag string) {
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") && !strings.Contains(ref, "@") {
		return ref[:i], ref[i+1:]
	}
	return ref, ""
}

// bytes prints a size that is a number in a text.
func bytes(text string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || text == "" {
		return text
	}
	return output.Size(n)
}

func pull(k *client.Client) *cobra.Command {
	var host string
	c := k.Shows("pull IMAGE[:TAG] --host HOST", "Pull an image onto a host; for administrators", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		if host == "" {
			return errors.New("--host: say which host; see 'capsulet host list'")
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		repo, tag := split(args[0])
		pulled, err := api.PullImage(call.Context(), repo, tag, host)
		if err != nil {
			return err
		}
		if !call.Format.ForPeople() {
			return call.Format.Print(call.Out(), pulled, pulled.UUID)
		}
		_, err = fmt.Fprintf(call.Out(), "image %s is being pulled onto %s, UUID %s\n", args[0], host, pulled.UUID)
		return err
	})
	c.Flags().StringVar(&host, "host", "", "host to pull it onto")
	return c
}

func search(k *client.Client) *cobra.Command {
	var driver string
	var exact bool
	c := k.Shows("search WORD", "Search images by name, where the image driver finds them", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		q := resources.Query{"image_driver": driver}
		if exact {
			q["exact_match"] = "True"
		}
		found, err := api.SearchImages(call.Context(), args[0], q)
		if err != nil {
			return err
		}
		return list(call, "such images", found, func(i *resources.FoundImage) string { return i.Name }, []string{"NAME", "TAGS", "STATUS", "SIZE"},
			func(i *resources.FoundImage) []string {
				return []string{i.Name, strings.Join(i.Tags, ","), i.Status, output.Size(i.Size)}
			})
	})
	c.Flags().StringVar(&driver, "image-driver", "", "docker or glance")
	c.Flags().BoolVar(&exact, "exact", false, "the word is the whole name")
	return c
}

func networks() *cobra.Command {
	k, family := client.New("network", "Networks that containers join", "networks")
	all := lister(k, "the networks that may be joined", func(call *client.Call, api resources.Client) error {
		found, err := api.Networks(call.Context())
		if err != nil {
			return err
		}
		return list(call, "networks", found, func(n *resources.Network) string { return n.UUID },
			[]string{"NAME", "SUBNETS", "SHARED", "INTERNAL", "UUID"}, func(n *resources.Network) []string {
				return []string{n.Name, strings.Join(n.Subnets, ","), strconv.FormatBool(n.Shared), strconv.FormatBool(n.Internal), n.UUID}
			})
	})
	one := shower(k, "NETWORK", func(call *client.Call, api resources.Client, id string) (any, string, *output.Sheet, error) {
		n, err := api.Network(call.Context(), id)
		s := &output.Sheet{}
		s.Line("Name", n.Name)
		s.Line("UUID", n.UUID)
		s.Line("Project", n.ProjectID)
		s.Line("On the engines", n.NetworkID)
		s.Line("Neutron network", n.NeutronNetID)
		s.Line("Subnets", strings.Join(n.Subnets, ", "))
		s.Line("Shared", strconv.FormatBool(n.Shared))
		s.Line("Internal", strconv.FormatBool(n.Internal))
		s.Line("Created", n.CreatedAt)
		return n, n.UUID, s, err
	})
	remove := deleter(k, "network", "NETWORK", func(call *client.Call, api resources.Client, id string) error {
		return api.DeleteNetwork(call.Context(), id)
	})
	family.AddCommand(all, one, createNetwork(k), remove)
	return family
}

func createNetwork(k *client.Client) *cobra.Command {
	var n resources.NewNetwork
	c := k.Shows("create NAME", "Make a network; for administrators", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		api, err := of(call)
		if err != nil {
			return err
		}
		n.Name = args[0]
		made, err := api.CreateNetwork(call.Context(), n)
		if err != nil {
			return err
		}
		if !call.Format.ForPeople() {
			return call.Format.Print(call.Out(), made, made.UUID)
		}
		_, err = fmt.Fprintf(call.Out(), "network %s created, UUID %s\n", made.Name, made.UUID)
		return err
	})
	c.Flags().StringVar(&n.NeutronNetID, "neutron-net", "", "UUID that it shall have, which in an OpenStack cloud is that of a network of Neutron")
	c.Flags().StringVar(&n.Project, "project", "", "project that it is for; everybody's own network otherwise")
	c.Flags().StringArrayVar(&n.Subnets, "subnet", nil, "addresses, such as 10.1.0.0/16; the engine chooses when not given")
	c.Flags().BoolVar(&n.Internal, "internal", false, "nothing leads out of it")
	return c
}
