package inside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/capsulet/capsulet/zunserver/volume/layout"
)

// Where things are in a sandbox on a far host.
const (
	// Path is the program.
	Path = "/inside"
	// Volumes has every volume of the capsule by name.
	Volumes = "/capsulet/volumes"
	// hostsFile is mounted by the engine into every container of the capsule.
	hostsFile = "/etc/hosts"
)

// Request says what a sandbox has to have before the first container starts. Carrying it out again changes nothing.
type Request struct {
	Files  []Files `json:"files,omitempty"`
	Dirs   []Dir   `json:"dirs,omitempty"`
	Checks []Check `json:"checks,omitempty"`
	// Touch are files that are made empty, for everybody to write.
	Touch []string `json:"touch,omitempty"`
	Hosts *Hosts   `json:"hosts,omitempty"`
}

// Files is a volume of files.
type Files struct {
	Dir   string        `json:"dir"`
	Group int64         `json:"group"`
	Files []layout.File `json:"files"`
}

// Dir is a volume that containers write to.
type Dir struct {
	Dir   string `json:"dir"`
	Group int64  `json:"group"`
}

// Check demands a type of a path of the host; Type is empty for any.
type Check struct {
	Dir  string `json:"dir"`
	Path string `json:"path"` // on the host, for the message
	Type string `json:"type"`
}

// Hosts is what /etc/hosts has before and after the host's own, which is asked for only with Own.
type Hosts struct {
	Before []byte `json:"before"`
	Own    bool   `json:"own"`
	After  []byte `json:"after"`
}

// fill carries out a Request.
func (e Env) fill(stdin io.Reader) error {
	var r Request
	if err := json.NewDecoder(stdin).Decode(&r); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	for _, c := range r.Checks {
		if err := layout.CheckType(e.at(c.Dir), c.Path, c.Type); err != nil {
			return err
		}
	}
	for _, f := range r.Files {
		if err := (layout.Writer{Group: f.Group}).Update(e.at(f.Dir), f.Files); err != nil {
			return fmt.Errorf("volume %q: %w", filepath.Base(f.Dir), err)
		}
	}
	for _, d := range r.Dirs {
		if err := layout.OpenTo(e.at(d.Dir), d.Group); err != nil {
			return fmt.Errorf("volume %q: %w", filepath.Base(d.Dir), err)
		}
	}
	for _, t := range r.Touch {
		if err := touch(e.at(t)); err != nil {
			return fmt.Errorf("making the file for the termination message: %w", err)
		}
	}
	if r.Hosts != nil {
		return r.Hosts.write(e.at(hostsFile))
	}
	return nil
}

// touch makes an empty file that every user may write to.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o666)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o666), f.Close())
}

// write fills the file in place, because containers have it mounted. It is done once: what has our first line has all.
func (h *Hosts) write(path string) error {
	have, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the hosts file: %w", err)
	}
	content := append([]byte{}, h.Before...)
	if h.Own {
		if len(have) >= len(h.Before) && string(have[:len(h.Before)]) == string(h.Before) {
			return nil
		}
		content = append(content, have...)
	}
	content = append(content, h.After...)
	if string(have) == string(content) {
		return nil
	}
	if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // everybody reads /etc/hosts
		return fmt.Errorf("writing the hosts file: %w", err)
	}
	return nil
}
