package streams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/provider/zun"
)

// archives are the files of a container.
type archives struct {
	api           *zun.Client
	id, container string
}

// Get implements Files.
func (a archives) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	return a.api.Archive(ctx, a.id, a.container, path)
}

// Put implements Files.
func (a archives) Put(ctx context.Context, dir string, tar io.Reader) error {
	return a.api.Unpack(ctx, a.id, a.container, dir, tar)
}

// CopyVerb makes the command cp; find is the UUID of the capsule that a name means, and its container, or that of a container alone.
func CopyVerb(k *client.Client, kind string, find func(call *client.Call, name string) (id, container string, err error)) *cobra.Command {
	what := strings.ToUpper(kind)
	c := k.Verb(fmt.Sprintf("cp %s:PATH LOCAL | LOCAL %s:PATH", what, what), "Copy files out of a "+kind+", or into it", cobra.ExactArgs(2), func(call *client.Call, args []string) error {
		from, source, out := Remote(args[0])
		to, destination, in := Remote(args[1])
		if out == in {
			return errors.New("one of the two has to be NAME:PATH, and the other a path here")
		}
		id, container, err := find(call, from+to)
		if err != nil {
			return err
		}
		api, err := call.API()
		if err != nil {
			return err
		}
		files := archives{api, id, container}
		if out {
			return CopyFrom(call.Context(), files, source, destination, call.Out())
		}
		return CopyTo(call.Context(), files, source, destination, call.InOrStdin())
	})
	c.Long = "Copy files out of a " + kind + ", or into it, as cp -r does. A local path of - is a tar file: the output, or the input, which is unpacked\n" +
		"in the directory at PATH."
	c.ValidArgsFunction = nil // paths
	return c
}
