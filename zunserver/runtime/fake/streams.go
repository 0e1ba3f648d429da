package fake

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/runtime"
)

type logLine struct {
	at     time.Time
	text   string
	stderr bool
}

type file struct {
	header  tar.Header
	content []byte
}

func (e *engine) print(id, line string, stderr bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, err := e.find(id); err == nil {
		c.log = append(c.log, logLine{at: e.now(), text: line, stderr: stderr})
		c.wake()
	}
}

// Logs copies the log.
func (h *Host) Logs(ctx context.Context, id string, opts capsule.LogOptions, stdout, stderr io.Writer) error {
	return h.call(ctx, "logs", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		switch opts.Stream {
		case capsule.Stdout:
			stderr = nil
		case capsule.Stderr:
			stdout = nil
		}
		return h.copyLog(ctx, c, tail(c.log, opts), opts, stdout, stderr)
	})
}

// copyLog writes lines and, with Follow, what comes after them until the container ends; the caller holds mu.
func (h *Host) copyLog(ctx context.Context, c *container, lines []logLine, opts capsule.LogOptions, stdout, stderr io.Writer) error {
	for read := len(c.log); ; {
		running := c.running()
		h.mu.Unlock()
		err := writeLog(lines, opts.Timestamps, c.cfg.TTY, stdout, stderr)
		h.mu.Lock()
		if err != nil {
			return err
		}
		if len(c.log) == read {
			if !opts.Follow || !running {
				return nil
			}
			if err := h.wait(ctx, c); err != nil {
				return err
			}
		}
		lines, read = within(c.log[read:], opts), len(c.log)
	}
}

// Attach copies what is printed from now on, and hands the input to a container that echoes.
func (h *Host) Attach(ctx context.Context, id string, s capsule.Session) error {
	return h.call(ctx, "attach", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		if !c.running() {
			return fmt.Errorf("attach to container %s: it does not run: %w", c.view.Name, errdefs.ErrFailedPrecondition)
		}
		if s.Stdin != nil && c.cfg.Stdin && c.behaviour.Echo {
			go h.echo(c, s.Stdin)
		}
		return h.copyLog(ctx, c, nil, capsule.LogOptions{Follow: true}, s.Stdout, s.Stderr)
	})
}

// echo prints each line of the input, and ends the container after the last if it may be attached to only once.
func (h *Host) echo(c *container, input io.Reader) {
	for lines := bufio.NewScanner(input); lines.Scan(); {
		h.print(c.view.ID, lines.Text(), false)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.cfg.StdinOnce && c.running() {
		h.exit(c, 0, false)
	}
}

// within picks the lines of the time range.
func within(log []logLine, opts capsule.LogOptions) []logLine {
	var out []logLine
	for _, l := range log {
		if l.at.Before(opts.Since) || (!opts.Until.IsZero() && l.at.After(opts.Until)) {
			continue
		}
		out = append(out, l)
	}
	return out
}

func tail(log []logLine, opts capsule.LogOptions) []logLine {
	lines := within(log, opts)
	if opts.Tail >= 0 && int64(len(lines)) > opts.Tail {
		lines = lines[int64(len(lines))-opts.Tail:]
	}
	return lines
}

func writeLog(lines []logLine, stamps, tty bool, stdout, stderr io.Writer) error {
	for _, l := range lines {
		w := stdout
		if l.stderr && !tty {
			w = stderr
		}
		text := l.text + "\n"
		if stamps {
			text = l.at.UTC().Format(time.RFC3339Nano) + " " + text
		}
		if w == nil {
			continue
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

func writeLines(w io.Writer, lines []string) {
	if w == nil {
		return
	}
	for _, l := range lines {
		_, _ = io.WriteString(w, l+"\n")
	}
}

// Exec asks the behaviour of the container.
func (h *Host) Exec(ctx context.Context, id string, cfg runtime.ExecConfig) (int, error) {
	var code int
	err := h.call(ctx, "exec", id, func() error {
		h.mu.Lock()
		c, err := h.findOurs(id)
		if err == nil && !c.running() {
			err = fmt.Errorf("exec in container %s: it does not run: %w", c.view.Name, errdefs.ErrFailedPrecondition)
		}
		var exec func(context.Context, runtime.ExecConfig) int
		if err == nil {
			exec = c.behaviour.Exec
		}
		h.mu.Unlock()
		if err != nil {
			return err
		}
		if done, is := h.builtin(ctx, c, cfg); is {
			code = done
		} else if exec != nil {
			code, err = h.untilCut(ctx, func(ctx context.Context) int { return exec(ctx, cfg) })
			return err
		}
		return ctx.Err()
	})
	return code, err
}

// untilCut runs a command whose streams break with the engine.
func (h *Host) untilCut(ctx context.Context, exec func(context.Context) int) (int, error) {
	h.mu.Lock()
	link := h.link
	h.mu.Unlock()
	cut, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-link:
			cancel()
		case <-cut.Done():
		}
	}()
	code := exec(cut)
	if ctx.Err() == nil && cut.Err() != nil {
		return 0, errUnavailable()
	}
	return code, ctx.Err()
}

// WriteFile puts a file into a container, by ID or name, as its process would.
func (h *Host) WriteFile(id, name string, content []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, err := h.find(id); err == nil {
		c.files[path.Clean(name)] = file{
			header:  tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))},
			content: bytes.Clone(content),
		}
	}
}

// CopyFrom returns what CopyTo and WriteFile put there.
func (h *Host) CopyFrom(ctx context.Context, id, name string) (io.ReadCloser, capsule.PathStat, error) {
	var out bytes.Buffer
	var stat capsule.PathStat
	err := h.call(ctx, "copyfrom", id, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		name = path.Clean(name)
		w := tar.NewWriter(&out)
		found := false
		for _, p := range slices.Sorted(maps.Keys(c.files)) {
			if p != name && !strings.HasPrefix(p, strings.TrimSuffix(name, "/")+"/") {
				continue
			}
			found = true
			f := c.files[p]
			if p == name {
				info := f.header.FileInfo()
				stat = capsule.PathStat{Size: info.Size(), Mode: info.Mode(), ModTime: info.ModTime(), LinkTarget: f.header.Linkname}
			}
			f.header.Name = strings.TrimPrefix(path.Base(name)+strings.TrimPrefix(p, name), "/")
			if err := w.WriteHeader(&f.header); err != nil {
				return err
			}
			if _, err := w.Write(f.content); err != nil {
				return err
			}
		}
		if !found {
			return fmt.Errorf("path %s in container %s: %w", name, c.view.Name, errdefs.ErrNotFound)
		}
		return w.Close()
	})
	if err != nil {
		return nil, stat, err
	}
	if stat.Name = path.Base(name); stat.Mode == 0 {
		stat.Mode = os.ModeDir | 0o755
	}
	return io.NopCloser(&out), stat, nil
}

// CopyTo keeps the files in memory. The directory has to exist: the root, a mount, or what was copied before.
func (h *Host) CopyTo(ctx context.Context, id, dir string, content io.Reader) error {
	return h.call(ctx, "copyto", id, func() error {
		files, err := readTar(path.Clean(dir), content)
		if err != nil {
			return fmt.Errorf("copy to container %s: %w", id, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		c, err := h.findOurs(id)
		if err != nil {
			return err
		}
		if !c.hasDir(path.Clean(dir)) {
			return fmt.Errorf("path %s in container %s: %w", dir, c.view.Name, errdefs.ErrNotFound)
		}
		maps.Copy(c.files, files)
		return nil
	})
}

func (c *container) hasDir(dir string) bool {
	if dir == "/" || slices.ContainsFunc(c.cfg.Mounts, func(m runtime.Mount) bool { return m.Target == dir }) {
		return true
	}
	for p, f := range c.files {
		if strings.HasPrefix(p, dir+"/") || p == dir && f.header.Typeflag == tar.TypeDir {
			return true
		}
	}
	return false
}

func readTar(dir string, content io.Reader) (map[string]file, error) {
	files := map[string]file{}
	for r := tar.NewReader(content); ; {
		hdr, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read tar: %w: %w", err, errdefs.ErrInvalidArgument)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("read tar: %w", err)
		}
		files[path.Join(dir, hdr.Name)] = file{header: *hdr, content: b}
	}
}
