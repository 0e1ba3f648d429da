package sandbox

import (
	"debug/elf"
	"fmt"
	"io"
	"os"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/inside"
)

// Image is the image of sandboxes that have the program of package inside: its reference and what it is made of.
type Image struct {
	Ref      string
	Programs []Program
}

// WithInside makes an image of the program at path for the architecture of the host. What is there must need nothing else
// of the image's file system, because there is nothing else.
func WithInside(path, arch string) (*Image, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the program for sandboxes: %w", err)
	}
	defer f.Close()
	machines := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}
	if have := machines[f.Machine]; have != arch {
		return nil, fmt.Errorf("the program for sandboxes is capsulet itself, for %s, and the host is %s: "+
			"run capsulet on a machine of the host's kind: %w", have, arch, errdefs.ErrNotImplemented)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("the program for sandboxes is capsulet itself, and it is not static: "+
				"build it with CGO_ENABLED=0: %w", errdefs.ErrNotImplemented)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the program for sandboxes: %w", err)
	}
	programs := []Program{{
		Path: inside.Path, Size: info.Size(), Read: func() (io.ReadCloser, error) { return os.Open(path) },
	}}
	ref, err := Ref(arch, programs...)
	if err != nil {
		return nil, err
	}
	return &Image{Ref: ref, Programs: programs}, nil
}
