package capsule

import (
	"os"
	"time"
)

// PathStat is what lies at a path in a container (zun/container/docker/driver.py, get_archive: the engine's own words).
type PathStat struct {
	Name       string      `json:"name"`
	Size       int64       `json:"size"`
	Mode       os.FileMode `json:"mode"`
	ModTime    time.Time   `json:"mtime"`
	LinkTarget string      `json:"linkTarget"`
}

// ProcessTable is what runs in a container, as ps prints it: one row for each process under the titles of its columns
// (zun/container/docker/driver.py, top).
type ProcessTable struct {
	Titles    []string   `json:"Titles"`
	Processes [][]string `json:"Processes"`
}
