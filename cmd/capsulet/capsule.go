package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

func newCapsule() *cobra.Command {
	c := &cobra.Command{Use: "capsule", Aliases: []string{"capsules"}, Short: "Create, list, show and delete capsules"}
	c.AddCommand(newCapsuleCreate(), newCapsuleList(), newCapsuleShow(), newCapsuleDelete(), newCapsuleLogs(),
		newCapsuleExec(), newCapsuleAttach(), newCapsulePortForward())
	return c
}

func newCapsuleCreate() *cobra.Command {
	var conn connection
	var out output
	var file string
	c := &cobra.Command{
		Use: "create -f FILE", Short: "Create a capsule from a template", Args: cobra.NoArgs,
		Example: "  capsulet capsule create -f examples/capsule.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			body, err := read(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			spec, uid, err := template.Parse(body)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			client, err := conn.client()
			if err != nil {
				return err
			}
			made, err := client.Create(cmd.Context(), spec, uid)
			if err != nil {
				return err
			}
			if out.format == "" {
				fmt.Fprintf(cmd.OutOrStdout(), "capsule %s created, UUID %s\n", made.Spec.Name, made.UUID)
				return nil
			}
			return printCapsules(cmd.OutOrStdout(), &out, made, []*capsule.Capsule{made})
		},
	}
	conn.bind(c.Flags())
	out.bind(c.Flags())
	c.Flags().StringVarP(&file, "file", "f", "", "template in YAML or JSON; - is standard input")
	_ = c.MarkFlagRequired("file")
	return c
}

func read(stdin io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(stdin, 4<<20))
	}
	return os.ReadFile(file)
}

func newCapsuleList() *cobra.Command {
	var conn connection
	var out output
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List capsules", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			client, err := conn.client()
			if err != nil {
				return err
			}
			all, _, err := client.List(cmd.Context())
			if err != nil {
				return err
			}
			if len(all) == 0 && out.format == "" {
				fmt.Fprintln(cmd.ErrOrStderr(), "No capsules.")
				return nil
			}
			return printCapsules(cmd.OutOrStdout(), &out, all, all)
		},
	}
	conn.bind(c.Flags())
	out.bind(c.Flags())
	return c
}

func newCapsuleShow() *cobra.Command {
	var conn connection
	out := output{format: "yaml"}
	c := &cobra.Command{
		Use: "show CAPSULE", Aliases: []string{"describe"}, Short: "Show a capsule by name or UUID", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := conn.client()
			if err != nil {
				return err
			}
			found, err := client.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if out.format == "" {
				out.format = "yaml"
			}
			if err := out.check(); err != nil {
				return err
			}
			return printCapsules(cmd.OutOrStdout(), &out, found, []*capsule.Capsule{found})
		},
	}
	conn.bind(c.Flags())
	out.bind(c.Flags())
	return c
}

func newCapsuleDelete() *cobra.Command {
	var conn connection
	var grace int64
	var force bool
	c := &cobra.Command{
		Use: "delete CAPSULE...", Aliases: []string{"rm"}, Short: "Delete capsules by name or UUID", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := conn.client()
			if err != nil {
				return err
			}
			var seconds *int64
			if cmd.Flags().Changed("grace-period") {
				seconds = &grace
			}
			for _, name := range args {
				var err error
				if force {
					err = client.GiveUp(cmd.Context(), name)
				} else {
					err = client.Delete(cmd.Context(), name, seconds)
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "capsule %s is being deleted\n", name)
			}
			return nil
		},
	}
	conn.bind(c.Flags())
	c.Flags().Int64Var(&grace, "grace-period", 0, "seconds until containers are killed; the template's when not given")
	c.Flags().BoolVar(&force, "force", false, "kill at once, and give the capsule up if its host has been away for long")
	c.MarkFlagsMutuallyExclusive("grace-period", "force")
	return c
}

func newCapsuleLogs() *cobra.Command {
	var conn connection
	var container, since string
	var previous bool
	opts := capsule.LogOptions{}
	c := &cobra.Command{
		Use: "logs CAPSULE", Short: "Print the log of a container", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if since != "" {
				d, err := time.ParseDuration(since)
				if err != nil {
					return fmt.Errorf("--since: %w", err)
				}
				opts.Since = time.Now().Add(-d)
			}
			client, err := conn.client()
			if err != nil {
				return err
			}
			if container == "" {
				found, err := client.Get(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				container = found.Spec.Containers[0].Name
			}
			r, err := client.Logs(cmd.Context(), args[0], container, previous, opts)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(cmd.OutOrStdout(), r)
			return err
		},
	}
	conn.bind(c.Flags())
	f := c.Flags()
	f.StringVarP(&container, "container", "c", "", "container; the first when not given")
	f.BoolVarP(&opts.Follow, "follow", "f", false, "go on until the container ends")
	f.BoolVar(&opts.Timestamps, "timestamps", false, "print the time of each line")
	f.Int64Var(&opts.Tail, "tail", -1, "number of last lines; -1 is all")
	f.StringVar(&since, "since", "", "only what is newer than this duration, such as 10m")
	f.BoolVarP(&previous, "previous", "p", false, "the attempt before the current one")
	return c
}

func printCapsules(w io.Writer, out *output, v any, all []*capsule.Capsule) error {
	names := make([]string, 0, len(all))
	for _, c := range all {
		names = append(names, c.UUID)
	}
	return out.print(w, v, names, func(w io.Writer, wide bool) {
		fmt.Fprint(w, "NAME\tSTATUS\tREADY\tRESTARTS\tAGE\tADDRESS")
		if wide {
			fmt.Fprint(w, "\tHOST\tUUID\tREASON")
		}
		fmt.Fprintln(w)
		for _, c := range all {
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
			fmt.Fprintf(w, "%s\t%s\t%d/%d\t%d\t%s\t%s", c.Spec.Name, c.Status(), ready, len(c.Spec.Containers), restarts,
				duration.HumanDuration(time.Since(c.CreatedAt)), strings.Join(c.Facts.Sandbox.Addresses, ","))
			if wide {
				fmt.Fprintf(w, "\t%s\t%s\t%s", c.Claim.Host, c.UUID, c.StatusReason())
			}
			fmt.Fprintln(w)
		}
	})
}
