package streams

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/cmd/capsulet/client"
	"github.com/capsulet/capsulet/provider/zun/resources"
)

// archives are the files of a container by Zun's API: an archive travels in one piece.
type archives struct {
	api resources.Client
	id  string
}

// maxArchive is what the server takes.
const maxArchive = 64 << 20

// Get implements Files.
func (a archives) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	got, err := a.api.GetArchive(ctx, a.id, path)
	if errdefs.IsInvalidArgument(err) && strings.Contains(err.Error(), "There is no") {
		return nil, fmt.Errorf("there is no %s in the container: %w", path, errdefs.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(got.Data)), err
}

// Put implements Files.
func (a archives) Put(ctx context.Context, dir string, tar io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(tar, maxArchive+1))
	if err != nil {
		return err
	}
	if len(data) > maxArchive {
		return fmt.Errorf("it is larger than the %d MiB that can be copied at once", maxArchive>>20)
	}
	return a.api.PutArchive(ctx, a.id, dir, data)
}

// CopyVerb makes the command cp; find is the UUID of the container that a name means.
func CopyVerb(k *client.Client, kind string, find func(call *client.Call, name string) (string, error)) *cobra.Command {
	what := strings.ToUpper(kind)
	c := k.Verb(fmt.Sprintf("cp %s:PATH LOCAL | LOCAL %s:PATH", what, what), "Copy files out of a "+kind+", or into it", cobra.ExactArgs(2), func(call *client.Call, args []string) error {
		from, source, out := Remote(args[0])
		to, destination, in := Remote(args[1])
		if out == in {
			return errors.New("one of the two has to be NAME:PATH, and the other a path here")
		}
		id, err := find(call, from+to)
		if err != nil {
			return err
		}
		api, err := call.API()
		if err != nil {
			return err
		}
		files := archives{resources.Of(api), id}
		if out {
			return CopyFrom(call.Context(), files, source, destination, call.Out())
		}
		return CopyTo(call.Context(), files, source, destination, call.InOrStdin())
	})
	c.Long = "Copy files out of a " + kind + ", or into it, as cp -r does. A local path of - is a tar file: the output, or the input, which is unpacked\n" +
		"in the directory at PATH. Up to " + fmt.Sprint(maxArchive>>20) + " MiB can be copied at once."
	c.ValidArgsFunction = nil // paths
	return c
}
