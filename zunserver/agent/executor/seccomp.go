package executor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxProfile is far above what a seccomp profile has, and below what would hurt.
const maxProfile = 1 << 20

// seccompProfile reads a profile of capsulet's own machine, which goes to the engine as content: hosts need no copy. No
// name leads out of the directory. It is read for each attempt, so a profile that was missing is found when it is there.
func seccompProfile(dir, name string) (string, error) {
	content, err := readBeneath(dir, name)
	if err == nil && !json.Valid(content) {
		err = errors.New("it is not JSON")
	}
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", fmt.Errorf("cannot load seccomp profile %q: %w", filepath.Join(dir, name), err)
	}
	return string(content), nil
}

func readBeneath(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err == nil && len(content) > maxProfile {
		err = errors.New("it is too large")
	}
	return content, err
}
