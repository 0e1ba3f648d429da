package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/connection"
	"github.com/capsulet/capsulet/cmd/capsulet/output"
	"github.com/capsulet/capsulet/provider/zun/openstack"
)

// newKeystoneCommand is for who has an OpenStack cloud.
func newKeystoneCommand() *cobra.Command {
	family := &cobra.Command{Use: "keystone", Short: "The capsule API in an OpenStack cloud's service catalog", Args: cobra.NoArgs}
	family.AddCommand(newRegister())
	return family
}

const registerHelp = `Write into Keystone's service catalog where the capsule API is, so that zun,
openstack, gophercloud and 'capsulet capsule' find it: the services container and
container-experimental, and for each a public, an internal and an admin endpoint
in one region. What is missing is made; what says another URL, or is switched
off, is changed; nothing else is touched. Doing it again changes nothing.

Who does it is an administrator of the cloud: OS_AUTH_URL, OS_USERNAME,
OS_PASSWORD, OS_PROJECT_NAME and the like, or --os-cloud ('capsulet help
connection'). The server itself is told of Keystone in its configuration, under
api.keystone ('capsulet config').
`

func newRegister() *cobra.Command {
	var conn connection.Options
	var format output.Format
	var r openstack.Registration
	c := &cobra.Command{
		Use: "register URL", Short: "Register the API, at its public URL, in the catalog", Long: registerHelp, Args: cobra.ExactArgs(1),
		Example: "  capsulet keystone register https://zun.example:9517 --region RegionOne --dry-run",
		RunE: func(c *cobra.Command, args []string) error {
			r.URL = args[0]
			cloud, err := conn.OpenStack()
			if err != nil {
				return err
			}
			entries, err := openstack.Register(c.Context(), cloud, r)
			if told := tellEntries(c, format, entries, r.DryRun); err == nil {
				err = told
			}
			return err
		},
	}
	conn.BindCloud(c.Flags())
	format.Bind(c)
	c.Flags().StringVar(&r.Region, "region", "", "region of the endpoints (OS_REGION_NAME)")
	c.Flags().StringVar(&r.InternalURL, "internal-url", "", "URL of the internal endpoints, if it is another")
	c.Flags().StringVar(&r.AdminURL, "admin-url", "", "URL of the admin endpoints, if it is another")
	c.Flags().BoolVar(&r.DryRun, "dry-run", false, "only tell what would be changed")
	return c
}

// tellEntries prints what became of the catalog, also of the part of it that an error has left.
func tellEntries(c *cobra.Command, format output.Format, entries []openstack.Entry, dryRun bool) error {
	if len(entries) == 0 {
		return nil
	}
	if !format.ForPeople() {
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = e.Service
			if e.Interface != "" {
				names[i] += "/" + e.Interface
			}
		}
		return format.Print(c.OutOrStdout(), entries, names...)
	}
	t := output.Table{Head: []string{"SERVICE", "INTERFACE", "URL", "CHANGE"}}
	for _, e := range entries {
		change := string(e.Change)
		if dryRun && e.Change != openstack.Unchanged {
			change = "would be " + change
		}
		if e.Was != "" {
			change += fmt.Sprintf(" (was %s)", e.Was)
		}
		t.Rows = append(t.Rows, []string{e.Service, e.Interface, e.URL, change})
	}
	return t.Write(c.OutOrStdout())
}
