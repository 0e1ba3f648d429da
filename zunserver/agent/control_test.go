package agent_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/agent"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

func archive(t *testing.T, name, content string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestControl(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(func(s *capsule.Spec) { s.RestartPolicy = capsule.RestartNever })
	owned := *w.await(c.UUID, "running", running)
	owned.Project = "p"
	c = &owned
	ctx, a := t.Context(), agent.New(agent.Config{Name: hostName, Runtime: w.host, Log: w.log()})

	if table, err := a.Processes(ctx, c, "app", "-e -o pid,args"); err != nil || len(table.Processes) != 1 {
		t.Errorf("processes: %+v, %v", table, err)
	}
	for _, args := range []string{"-f /etc/passwd", "$(id)", strings.Repeat("e", 300)} {
		if _, err := a.Processes(ctx, c, "app", args); !errdefs.IsInvalidArgument(err) {
			t.Errorf("ps %.20q: %v", args, err)
		}
	}
	if err := a.CopyTo(ctx, c, "app", "/", archive(t, "note", "hello")); err != nil {
		t.Fatal(err)
	}
	if content, stat, err := a.CopyFrom(ctx, c, "app", "/note"); err != nil || stat.Name != "note" || stat.Size != 5 {
		t.Errorf("stat: %+v, %v", stat, err)
	} else {
		_ = content.Close()
	}
	for _, row := range []struct {
		project, repository, tag string
		class                    error
	}{
		{"p", "mine", "v1", nil},
		{"p", "mine", "v1", nil}, // again
		{"other", "mine", "v1", errdefs.ErrAlreadyExists},
		{"p", "app", "", errdefs.ErrAlreadyExists}, // that containers of all are made of
		{"p", "UPPER", "v1", errdefs.ErrInvalidArgument},
		{"p", "mine:v1", "v2", errdefs.ErrInvalidArgument},
		{"p", "mine", "no tag", errdefs.ErrInvalidArgument},
	} {
		c.Project = row.project
		id, err := a.Commit(ctx, c, "app", row.repository, row.tag)
		if row.class == nil && (err != nil || id == "") || row.class != nil && !errors.Is(err, row.class) {
			t.Errorf("commit %+v: %q, %v", row, id, err)
		}
	}
	if signal, err := a.StopSignal(ctx, c, "app"); err != nil || signal != "SIGTERM" {
		t.Errorf("stop signal: %s, %v", signal, err)
	}
	if err := a.Kill(ctx, c, "app", "NONSENSE"); !errdefs.IsInvalidArgument(err) {
		t.Errorf("no signal: %v", err)
	}
	if err := a.Kill(ctx, c, "nobody", "KILL"); !errdefs.IsInvalidArgument(err) {
		t.Errorf("no container: %v", err)
	}
	if err := a.Kill(ctx, c, "app", "KILL"); err != nil {
		t.Errorf("kill: %v", err)
	}
	c = w.await(c.UUID, "ended", func(c *capsule.Capsule) bool { return c.Facts.Container("app").Run.State() == capsule.StateExited })
	if r := c.Facts.Container("app").Run; r.ExitCode != 137 {
		t.Errorf("run: %+v", r)
	}
	if err := a.Kill(ctx, c, "app", "KILL"); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("kill after the end: %v", err)
	}
	if _, err := a.Processes(ctx, c, "app", ""); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("processes after the end: %v", err)
	}
	if content, _, err := a.CopyFrom(ctx, c, "app", "/note"); err != nil {
		t.Errorf("copy after the end: %v", err)
	} else {
		_ = content.Close()
	}
}
