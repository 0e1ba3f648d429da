package output

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// patience is how long people wait without a word.
const patience = 2 * time.Second

// Progress tells on the error output what is being waited for, once it takes longer than two seconds: on a terminal in one
// line that changes, else in a line for each change. It is safe for concurrent use.
type Progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	stop     chan struct{}
	done     chan struct{}

	mu    sync.Mutex
	text  string
	shown string
}

// NewProgress begins the wait. The caller ends it.
func NewProgress(w io.Writer, text string) *Progress {
	p := &Progress{w: w, terminal: Terminal(w), began: time.Now(), text: text, stop: make(chan struct{}), done: make(chan struct{})}
	go p.run()
	return p
}

// Say changes what is being waited for.
func (p *Progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf(format, args...)
}

// End wipes the line away.
func (p *Progress) End() {
	close(p.stop)
	<-p.done
}

func (p *Progress) run() {
	defer close(p.done)
	wait := time.NewTimer(patience)
	defer wait.Stop()
	for {
		select {
		case <-p.stop:
			if p.terminal && p.shown != "" {
				fmt.Fprint(p.w, "\r\x1b[K")
			}
			return
		case <-wait.C:
			p.show()
			wait.Reset(time.Second)
		}
	}
}

func (p *Progress) show() {
	p.mu.Lock()
	text := p.text
	p.mu.Unlock()
	switch {
	case p.terminal:
		fmt.Fprintf(p.w, "\r\x1b[K%s … %ds", text, int(time.Since(p.began).Seconds()))
	case text != p.shown:
		fmt.Fprintln(p.w, text)
	}
	p.shown = text
}
