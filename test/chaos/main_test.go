package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/capsulet/capsulet/test/dev/stage"
)

var keep = flag.Bool("keep", false, "keep the server's log of a test that passed, too")

// program is the capsulet binary under test, built once; TestMain removes its directory.
var (
	programDir string
	program    = sync.OnceValues(func() (string, error) {
		root, err := stage.Root()
		if err != nil {
			return "", err
		}
		out := filepath.Join(programDir, "capsulet")
		_, err = stage.Build(context.Background(), root, "./cmd/capsulet", out)
		return out, err
	})
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "capsulet-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
