package capsule

import "io"

// Session is the streams of a command in a container, or of an attachment to one. What is nil is not wanted. Whoever uses
// a session reads and writes from goroutines of its own and closes nothing.
type Session struct {
	// TTY: the process has, or shall get, a terminal; all its output is on Stdout then.
	TTY    bool
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Resize changes the size of the terminal while the session lasts.
	Resize <-chan TerminalSize
}

// TerminalSize is in characters.
type TerminalSize struct{ Height, Width uint }
