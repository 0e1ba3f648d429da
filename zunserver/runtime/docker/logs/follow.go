package logs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"time"
)

// disorder is how much older an entry may be than one that stands before it: each output has a writer of its own.
const disorder = 100 * time.Millisecond

// Follower makes one log of several readings of it, each of which begins in what the one before has read. It is for engines
// that lose lines to who follows a log: who reads it again and again gets all that they keep. It is not safe for concurrent use.
type Follower struct {
	out    *output
	stamps bool
	// read counts the newest entries that were read, the last of which was made then.
	read map[entry]int
	last time.Time
}

// entry is what tells entries apart that an engine sends. The parts of a long line have one time, and are counted.
type entry struct {
	stamp        string
	stream, size int
}

// NewFollower writes to these, of which a nil one loses what is its own.
func NewFollower(stamps bool, stdout, stderr io.Writer) *Follower {
	return &Follower{out: newOutput(stdout, stderr, false), stamps: stamps, read: map[entry]int{}}
}

// Since is when the next reading has to begin; zero: at the beginning of the log.
func (f *Follower) Since() time.Time {
	if f.last.IsZero() {
		return f.last
	}
	return f.last.Add(-disorder)
}

// Begin takes the first reading in, of frames with stamps. With skip it is known from now on, and not written.
func (f *Follower) Begin(from io.Reader, skip bool) error {
	_, err := f.take(from, true, skip)
	return err
}

// Take takes another reading in. It is false, and nothing was taken, when that does not begin in what is known, so that
// something may be missing between them; with all it is taken nonetheless: there is no more.
func (f *Follower) Take(from io.Reader, all bool) (bool, error) { return f.take(from, all, false) }

func (f *Follower) take(from io.Reader, begun, skip bool) (bool, error) {
	in := frames{in: bufio.NewReaderSize(from, readLength), out: f.out}
	again := maps.Clone(f.read)
	for {
		stream, text, err := in.next()
		if err != nil {
			return begun, f.end(err)
		}
		stamp, part, _ := bytes.Cut(text, []byte{' '})
		e := entry{string(stamp), stream, len(part)}
		if !begun && again[e] == 0 {
			return false, nil
		}
		if begun = true; again[e] > 0 {
			again[e]--
			continue
		}
		f.note(e)
		if skip {
			continue
		}
		if err := f.out.frame(stream, text, true, f.stamps); err != nil {
			return true, err
		}
	}
}

func (f *Follower) note(e entry) {
	f.read[e]++
	if at, err := time.Parse(stampForm, e.stamp); err == nil && at.After(f.last) {
		f.last = at
	}
}

// end is that of a reading: what no later one has is forgotten.
func (f *Follower) end(err error) error {
	if errors.Is(err, io.EOF) {
		err = nil
	}
	oldest := f.Since().UTC().Format(stampForm)
	maps.DeleteFunc(f.read, func(e entry, _ int) bool { return e.stamp < oldest })
	return errors.Join(err, f.out.flush())
}
