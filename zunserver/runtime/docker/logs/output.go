package logs

import (
	"io"
	"time"
)

const (
	// writeLength is how much is written at once, when there is so much.
	writeLength = 64 << 10
	// stampForm is how the engine writes a time, always of the same length.
	stampForm = "2006-01-02T15:04:05.000000000Z07:00"
)

// output writes what belongs to a stream, in the order in which it comes.
type output struct {
	writers [2]io.Writer // stdout and stderr; nil ones lose what is theirs
	stamps  bool
	// within says of which streams the last line has no end yet.
	within [2]bool
	// waiting is text that is not written yet, of the stream current.
	waiting []byte
	current int
}

func newOutput(stdout, stderr io.Writer, stamps bool) *output {
	return &output{writers: [2]io.Writer{stdout, stderr}, stamps: stamps}
}

// add takes a part of a line of stream 0 or 1; ends says whether it is the last.
func (o *output) add(stream int, at time.Time, part []byte, ends bool) error {
	began := o.within[stream]
	o.within[stream] = !ends
	if o.writers[stream] == nil {
		return nil
	}
	if err := o.turn(stream); err != nil {
		return err
	}
	if o.stamps && !began {
		o.waiting = append(at.UTC().AppendFormat(o.waiting, stampForm), ' ')
	}
	o.waiting = append(o.waiting, part...)
	if ends {
		o.waiting = append(o.waiting, '\n')
	}
	return o.flushFull()
}

// text takes what is text already.
func (o *output) text(stream int, text []byte) error {
	if o.writers[stream] == nil {
		return nil
	}
	if err := o.turn(stream); err != nil {
		return err
	}
	o.waiting = append(o.waiting, text...)
	return o.flushFull()
}

// turn makes a stream the current one.
func (o *output) turn(stream int) error {
	if stream == o.current {
		return nil
	}
	err := o.flush()
	o.current = stream
	return err
}

func (o *output) flushFull() error {
	if len(o.waiting) < writeLength {
		return nil
	}
	return o.flush()
}

// flush writes what waits.
func (o *output) flush() error {
	if len(o.waiting) == 0 {
		return nil
	}
	_, err := o.writers[o.current].Write(o.waiting)
	o.waiting = o.waiting[:0]
	return err
}
