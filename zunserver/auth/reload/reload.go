// Package reload keeps what files say up to date: certificates, tokens, policies.
//
// Decisions (2026-11-26): the files are looked at when somebody asks, at most once a second, rather than watched: an event can
// get lost, and Kubernetes and certificate tools replace files in several ways. A file that cannot be read any more, or is half
// written, leaves what was read last in use, and says so once.
package reload

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// lookEvery is how old an answer may be.
const lookEvery = time.Second

// File is what one or more files say together. It is safe for concurrent use.
type File[T any] struct {
	paths []string
	read  func() (T, error)
	log   *logrus.Entry
	now   func() time.Time

	mu     sync.Mutex
	value  T
	seen   []stamp
	looked time.Time
	failed string
}

// stamp tells a version of a file from another.
type stamp struct {
	modified time.Time
	size     int64
	mode     fs.FileMode
}

// New reads the files for the first time; what is wrong with them then is the error.
func New[T any](log *logrus.Entry, read func() (T, error), paths ...string) (*File[T], error) {
	f := &File[T]{paths: paths, read: read, log: log, now: time.Now}
	f.looked = f.now()
	seen, err := f.stamps()
	if err != nil {
		return nil, err
	}
	if f.value, err = read(); err != nil {
		return nil, err
	}
	f.seen = seen
	return f, nil
}

// Get is what the files say, as of a second ago or later.
func (f *File[T]) Get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.looked) >= lookEvery {
		f.looked = now
		f.look()
	}
	return f.value
}

// look reads the files if they have changed. They are read again after a failure, too: the permissions of a directory may have
// been what was wrong.
func (f *File[T]) look() {
	seen, err := f.stamps()
	if err == nil && f.failed == "" && equal(seen, f.seen) {
		return
	}
	var value T
	if err == nil {
		value, err = f.read()
	}
	if err != nil {
		if f.failed != err.Error() {
			f.failed = err.Error()
			f.log.WithError(err).Error("Changed files cannot be taken over, what they said before stays in force")
		}
		return
	}
	f.value, f.seen, f.failed = value, seen, ""
	f.log.WithField("files", f.paths).Info("Changed files are taken over")
}

func (f *File[T]) stamps() ([]stamp, error) {
	var list []stamp
	for _, path := range f.paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", path, err)
		}
		list = append(list, stamp{info.ModTime(), info.Size(), info.Mode()})
	}
	return list, nil
}

func equal(a, b []stamp) bool {
	for i := range a {
		if !a[i].modified.Equal(b[i].modified) || a[i].size != b[i].size || a[i].mode != b[i].mode {
			return false
		}
	}
	return true
}
