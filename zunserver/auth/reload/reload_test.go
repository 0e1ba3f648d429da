package reload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	logger, logged := test.NewNullLogger()
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (string, error) {
		b, err := os.ReadFile(path)
		if string(b) == "bad" {
			return "", errors.New("it is bad")
		}
		return string(b), err
	}
	if _, err := New(logrus.NewEntry(logger), read, path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("no file at first: %v", err)
	}
	write("bad")
	if _, err := New(logrus.NewEntry(logger), read, path); err == nil {
		t.Fatal("a bad file at first is taken")
	}
	write("one")
	f, err := New(logrus.NewEntry(logger), read, path)
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	f.now = func() time.Time { return clock }
	for _, step := range []struct {
		name, write, want string
		logs              int
		remove, soon      bool
	}{
		{name: "unchanged", want: "one"},
		{name: "changed within the second", write: "longer", want: "one", soon: true},
		{name: "changed", want: "longer", logs: 1},
		{name: "bad", write: "bad", want: "longer", logs: 1},
		{name: "still bad", want: "longer"},
		{name: "gone", remove: true, want: "longer", logs: 1},
		{name: "good again", write: "good", want: "good", logs: 1},
	} {
		if step.write != "" {
			write(step.write)
		}
		if step.remove {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		if !step.soon {
			clock = clock.Add(lookEvery)
		}
		logged.Reset()
		if got := f.Get(); got != step.want || len(logged.AllEntries()) != step.logs {
			t.Errorf("%s: %q, %d lines logged", step.name, got, len(logged.AllEntries()))
		}
	}
}
