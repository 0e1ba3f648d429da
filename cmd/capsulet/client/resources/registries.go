package resources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

func registries() *cobra.Command {
	k, family := client.New("registry", "Logins at registries", "registries")
	names := func(ctx context.Context, api *zun.Client) (names []string, err error) {
		all, err := resources.Of(api).Registries(ctx, nil)
		for i := range all {
			names = append(names, all[i].Name)
		}
		return names, err
	}
	var allProjects bool
	all := lister(k, "registries", func(call *client.Call, api resources.Client) error {
		q := resources.Query{}
		if allProjects {
			q["all_projects"] = "1"
		}
		found, err := api.Registries(call.Context(), q)
		if err != nil {
			return err
		}
		return list(call, "registries", found, func(r *resources.Registry) string { return r.UUID },
			[]string{"NAME", "DOMAIN", "USERNAME", "UUID"}, func(r *resources.Registry) []string {
				return []string{r.Name, r.Domain, r.Username, r.UUID}
			})
	})
	all.Flags().BoolVar(&allProjects, "all-projects", false, "those of every project; for administrators")
	one := shower(k, "REGISTRY", func(call *client.Call, api resources.Client, id string) (any, string, *output.Sheet, error) {
		r, err := api.Registry(call.Context(), id)
		s := &output.Sheet{}
		s.Line("Name", r.Name)
		s.Line("UUID", r.UUID)
		s.Line("Domain", r.Domain)
		s.Line("Username", r.Username)
		s.Line("Project", r.ProjectID)
		return r, r.UUID, s, err
	})
	remove := deleter(k, "registry", "REGISTRY", func(call *client.Call, api resources.Client, id string) error {
		return api.DeleteRegistry(call.Context(), id)
	})
	family.AddCommand(all, k.Complete(one, false, names), createRegistry(k), k.Complete(updateRegistry(k), false, names), k.Complete(remove, true, names))
	return family
}

// login are the properties of a registry, as flags.
type login struct {
	name, domain, username, passwordFile string
	passwordStdin                        bool
}

func (l *login) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&l.name, "name", "", "name")
	f.StringVar(&l.domain, "domain", "", "address of the registry, such as registry.example:5000")
	f.StringVarP(&l.username, "username", "u", "", "user there")
	f.BoolVar(&l.passwordStdin, "password-stdin", false, "read the password from the input")
	f.StringVar(&l.passwordFile, "password-file", "", "read the password from a file")
	c.MarkFlagsMutuallyExclusive("password-stdin", "password-file")
}

// maxPassword is longer than any token of a registry.
const maxPassword = 64 << 10

// properties are those that were given. With a username and without a password, people are asked for one.
func (l *login) properties(call *client.Call) (map[string]string, error) {
	m := map[string]string{}
	for name, value := range map[string]string{"name": l.name, "domain": l.domain, "username": l.username} {
		if call.Flags().Changed(name) {
			m[name] = value
		}
	}
	password, err := l.password(call)
	if err != nil {
		return nil, err
	}
	if password != "" {
		m["password"] = password
	}
	return m, nil
}

func (l *login) password(call *client.Call) (string, error) {
	var b []byte
	var err error
	switch {
	case l.passwordStdin:
		b, err = io.ReadAll(io.LimitReader(call.InOrStdin(), maxPassword))
	case l.passwordFile != "":
		b, err = os.ReadFile(l.passwordFile)
	case l.username != "" && output.Terminal(call.InOrStdin()):
		fmt.Fprint(call.Err(), "Password: ")
		b, err = term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(call.Err())
	default:
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	password := strings.TrimRight(string(b), "\r\n")
	if password == "" {
		return "", errors.New("the password is empty")
	}
	return password, nil
}

func createRegistry(k *client.Client) *cobra.Command {
	var l login
	c := k.Shows("create --domain DOMAIN", "Keep a login at a registry", cobra.NoArgs, func(call *client.Call, _ []string) error {
		if l.domain == "" {
			return errors.New("--domain: say which registry")
		}
		properties, err := l.properties(call)
		if err != nil {
			return err
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		made, err := api.CreateRegistry(call.Context(), properties)
		if err != nil {
			return err
		}
		if !call.Format.ForPeople() {
			return call.Format.Print(call.Out(), made, made.UUID)
		}
		_, err = fmt.Fprintf(call.Out(), "registry %s created, UUID %s\n", made.Name, made.UUID)
		return err
	})
	c.Example = "  capsulet registry create --name hub --domain registry.example -u me --password-stdin < token"
	l.bind(c)
	return c
}

func updateRegistry(k *client.Client) *cobra.Command {
	var l login
	c := k.Verb("update REGISTRY", "Change a login", cobra.ExactArgs(1), func(call *client.Call, args []string) error {
		properties, err := l.properties(call)
		if err != nil {
			return err
		}
		if len(properties) == 0 {
			return errors.New("say what to change: --name, --domain, --username, --password-stdin or --password-file")
		}
		api, err := of(call)
		if err != nil {
			return err
		}
		return call.Each("registry", "updated", client.Named(args), func(t client.Target) error {
			_, err := api.UpdateRegistry(call.Context(), t.ID, properties)
			return err
		})
	})
	l.bind(c)
	return c
}
