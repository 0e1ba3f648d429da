package runtimetest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/runtime"
)

func testExec(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.sandbox(t)
	id := b.running(t, b.config("app", b.Sleep...))
	for _, want := range []int{0, 3} {
		code, err := b.Host.Exec(ctx, id, runtime.ExecConfig{Command: b.Exit(want)})
		if err != nil || code != want {
			t.Errorf("exit %d: %d, %v", want, code, err)
		}
	}
	var stdout, stderr strings.Builder
	code, err := b.Host.Exec(ctx, id, runtime.ExecConfig{Command: b.Print("hello"), Stdout: &stdout, Stderr: &stderr})
	if err != nil || code != 0 || stdout.String() != "hello\n" || stderr.String() != "" {
		t.Errorf("print: %d, %v, %q, %q", code, err, stdout.String(), stderr.String())
	}
	code, err = b.Host.Exec(ctx, id, runtime.ExecConfig{Command: b.Bad, Stdout: io.Discard})
	if err != nil || code != 126 && code != 127 {
		t.Errorf("a bad command: %d, %v", code, err)
	}
	if b.Engine {
		stdout.Reset()
		code, err = b.Host.Exec(ctx, id, runtime.ExecConfig{
			Command: []string{Program, "cat"}, Stdin: strings.NewReader("over there"), Stdout: &stdout,
		})
		if err != nil || code != 0 || stdout.String() != "over there" {
			t.Errorf("stdin: %d, %v, %q", code, err, stdout.String())
		}
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		if _, err := b.Host.Exec(short, id, runtime.ExecConfig{Command: b.Sleep}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("context: %v", err)
		}
	}
	if err := b.Host.Stop(ctx, id, 0); err != nil {
		t.Fatal(err)
	}
	_, err = b.Host.Exec(ctx, id, runtime.ExecConfig{Command: b.Exit(0)})
	is(t, "after its end", err, errdefs.ErrFailedPrecondition)
}

func tarOf(t *testing.T, name, content string) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o640, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func testCopy(t *testing.T, b *bench) {
	ctx := b.context(t)
	b.created(t, b.sandboxConfig())
	id := b.created(t, b.config("app", b.Sleep...)) // which does not run
	if err := b.Host.CopyTo(ctx, id, "/", tarOf(t, "note.txt", "dear host")); err != nil {
		t.Fatal(err)
	}
	content, stat, err := b.Host.CopyFrom(ctx, id, "/note.txt")
	if err != nil {
		t.Fatal(err)
	}
	if stat.Name != "note.txt" || stat.Size != int64(len("dear host")) || stat.Mode != 0o640 {
		t.Errorf("stat: %+v", stat)
	}
	if dir, stat, err := b.Host.CopyFrom(ctx, id, "/"); err != nil || !stat.Mode.IsDir() {
		t.Errorf("stat of a directory: %+v, %v", stat, err)
	} else {
		_ = dir.Close()
	}
	defer func() { _ = content.Close() }()
	r := tar.NewReader(content)
	header, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || header.Name != "note.txt" || header.Mode&0o777 != 0o640 || string(text) != "dear host" {
		t.Errorf("%+v, %q, %v", header, text, err)
	}
	_, _, err = b.Host.CopyFrom(ctx, id, "/no/such/path")
	is(t, "copy from nowhere", err, errdefs.ErrNotFound)
	is(t, "copy to nowhere", b.Host.CopyTo(ctx, id, "/no/such/dir", tarOf(t, "x", "y")), errdefs.ErrNotFound)
}

func testEvents(t *testing.T, b *bench) {
	ctx := b.context(t)
	events, err := b.Host.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id := b.sandbox(t)
	if err := b.Host.Stop(ctx, id, 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Host.Remove(ctx, id); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for !slices.Contains(actions, "destroy") {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatal("the stream broke")
			}
			if e.ID != id {
				continue
			}
			if e.Identity != b.identity("") || time.Since(e.At).Abs() > time.Hour {
				t.Errorf("%+v", e)
			}
			actions = append(actions, e.Action)
		case <-ctx.Done():
			t.Fatalf("only %v", actions)
		}
	}
	if want := []string{"create", "start", "die", "destroy"}; !slices.Equal(actions, want) {
		t.Errorf("%v, want %v", actions, want)
	}
}

func testEventsEndWithContext(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(b.context(t))
	events, err := b.Host.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b.created(t, b.sandboxConfig()) // nobody reads it
	cancel()
	limit := time.After(patience)
	for {
		select {
		case _, ok := <-events:
			if !ok {
				return
			}
		case <-limit:
			t.Fatal("the channel stays open")
		}
	}
}

func testImages(t *testing.T, b *bench) {
	ctx := b.context(t)
	img, err := b.Host.Image(ctx, b.Image)
	if err != nil {
		t.Fatal(err)
	}
	if img.ID == "" || img.SizeBytes == 0 || !slices.Contains(img.Tags, b.Image) {
		t.Errorf("%+v", img)
	}
	byID, err := b.Host.Image(ctx, img.ID)
	if err != nil || byID.ID != img.ID {
		t.Errorf("by ID: %+v, %v", byID, err)
	}
	_, err = b.Host.Image(ctx, b.Missing)
	is(t, "a missing one", err, errdefs.ErrNotFound)
	all, err := b.Host.ListImages(ctx)
	if err != nil || !slices.ContainsFunc(all, func(i runtime.Image) bool { return i.ID == img.ID }) {
		t.Errorf("not in the list: %v, %v", all, err)
	}

	ref := "capsulet/suite:" + b.capsule
	cfg := runtime.ImageConfig{
		Entrypoint: []string{"/x", `a "b"`}, Cmd: []string{"$c"}, Env: []string{"A=b c", `Q=$x "y" \z`},
		User: "1000:50", WorkDir: "/w",
	}
	made, err := b.Host.Import(ctx, ref, tarOf(t, "x", b.capsule), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for range 2 {
			if err := b.Host.RemoveImage(ctx, ref); err != nil {
				t.Errorf("remove: %v", err)
			}
		}
		_, err := b.Host.Image(ctx, ref)
		is(t, "after the removal", err, errdefs.ErrNotFound)
	}()
	if !slices.Equal(made.Entrypoint, cfg.Entrypoint) || !slices.Equal(made.Cmd, cfg.Cmd) ||
		!slices.Equal(made.Env, cfg.Env) || made.User != cfg.User || made.WorkDir != cfg.WorkDir {
		t.Errorf("imported %+v", made)
	}
	_, err = b.Host.Import(ctx, "NOT A REFERENCE", tarOf(t, "x", "y"), cfg)
	is(t, "no reference", err, errdefs.ErrInvalidArgument)
}

func testPull(t *testing.T, b *bench) {
	ctx := b.context(t)
	secret := &runtime.RegistryAuth{Username: "somebody", Password: "a-password-to-look-for"}
	_, err := b.Host.Pull(ctx, b.Missing, secret, func(string) {})
	if err == nil || !slices.ContainsFunc(b.MissingIs, func(class error) bool { return errors.Is(err, class) }) {
		t.Errorf("a missing image: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), secret.Password) {
		t.Errorf("the secret is in the error: %v", err)
	}
	_, err = b.Host.Pull(ctx, "NOT A REFERENCE", nil, nil)
	is(t, "no reference", err, errdefs.ErrInvalidArgument)
}

func testContext(t *testing.T, b *bench) {
	b.sandbox(t)
	id := b.running(t, b.config("app", b.IgnoreTERM...))
	b.awaitLine(t, id)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, infoErr := b.Host.Info(gone)
	_, listErr := b.Host.List(gone, "")
	_, createErr := b.Host.Create(gone, b.config("other", b.Sleep...))
	_, pullErr := b.Host.Pull(gone, b.Missing, nil, nil)
	for what, err := range map[string]error{
		"info": infoErr, "list": listErr, "create": createErr, "pull": pullErr,
		"start": b.Host.Start(gone, id), "remove": b.Host.Remove(gone, id),
	} {
		is(t, what, err, context.Canceled)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	is(t, "stop", b.Host.Stop(short, id, time.Hour), context.DeadlineExceeded)
}

func testSharedNetwork(t *testing.T, b *bench) {
	if !b.Engine {
		t.Skip("there is no network in memory")
	}
	ctx := b.context(t)
	cfg := b.sandboxConfig()
	cfg.Network, cfg.Hostname = "", "suite-host"
	sandbox := b.running(t, cfg)
	c := b.inspect(t, sandbox)
	if len(c.Addresses) == 0 || c.Network == "" {
		t.Errorf("the sandbox has no address: %+v", c)
	}
	b.running(t, b.config("server", Program, "serve", "8080"))
	client := b.running(t, b.config("client", b.Sleep...))
	if c := b.inspect(t, client); len(c.Addresses) != 0 || c.Network != "" {
		t.Errorf("a container in a sandbox has an address: %+v", c)
	}
	var out strings.Builder
	code, err := b.Host.Exec(ctx, client, runtime.ExecConfig{
		Command: []string{Program, "get", "http://127.0.0.1:8080/"}, Stdout: &out,
	})
	if err != nil || code != 0 || out.String() != "ok\n" {
		t.Errorf("localhost: %d, %v, %q", code, err, out.String())
	}
	out.Reset()
	code, err = b.Host.Exec(ctx, client, runtime.ExecConfig{Command: []string{Program, "hostname"}, Stdout: &out})
	if err != nil || code != 0 || out.String() != "suite-host\n" {
		t.Errorf("hostname: %d, %v, %q", code, err, out.String())
	}
	if err := b.Host.Stop(ctx, sandbox, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if c := b.inspect(t, sandbox); len(c.Addresses) != 0 {
		t.Errorf("addresses after the end: %+v", c)
	}
}
