// Package progress shows that a long step is alive: one line that counts seconds in place on a terminal, and one line
// every fifteen seconds anywhere else (a log, a CI console).
package progress

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	onTerminal = time.Second
	elsewhere  = 15 * time.Second
)

// Printer prints steps on one writer. It is safe for concurrent use; steps are meant to follow one another.
type Printer struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	every    time.Duration
	inPlace  bool // the cursor stands at the end of a line that will be rewritten
}

// New prints on w; nil prints nothing.
func New(w io.Writer) *Printer {
	if w == nil {
		w = io.Discard
	}
	p := &Printer{w: w, terminal: terminal(w), every: elsewhere}
	if p.terminal {
		p.every = onTerminal
	}
	return p
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// Line prints one whole line.
func (p *Printer) Line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// Write lets a command print through the printer, so that its output and the counting line do not mix.
func (p *Printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.w.Write(b)
}

func (p *Printer) clear() {
	if p.inPlace {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.inPlace = false
	}
}

// Step runs f under the title what and shows that it is alive until it returns. f may tell what it is at through note.
// The error comes back wrapped with the title.
func (p *Printer) Step(ctx context.Context, what string, f func(ctx context.Context, note func(string)) error) error {
	start := time.Now()
	var mu sync.Mutex
	var at string
	note := func(s string) {
		mu.Lock()
		at = s
		mu.Unlock()
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	p.begin(what)
	go func() {
		defer close(stopped)
		tick := time.NewTicker(p.every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				mu.Lock()
				s := at
				mu.Unlock()
				p.alive(what, s, time.Since(start))
			}
		}
	}()
	err := f(ctx, note)
	close(stop)
	<-stopped
	p.end(what, err, time.Since(start))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (p *Printer) begin(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if p.terminal {
		fmt.Fprintf(p.w, "  … %s", what)
		p.inPlace = true
		return
	}
	fmt.Fprintf(p.w, "  … %s\n", what)
}

func (p *Printer) alive(what, at string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	line := fmt.Sprintf("  … %s (%s)", what, d.Round(time.Second))
	if at != "" {
		line += ": " + at
	}
	if p.terminal {
		if len(line) > 100 {
			line = line[:100]
		}
		fmt.Fprint(p.w, line)
		p.inPlace = true
		return
	}
	fmt.Fprintln(p.w, line)
}

func (p *Printer) end(what string, err error, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if err != nil {
		fmt.Fprintf(p.w, "  ✗ %s (%s)\n", what, d.Round(100*time.Millisecond))
		return
	}
	fmt.Fprintf(p.w, "  ✓ %s (%s)\n", what, d.Round(100*time.Millisecond))
}
