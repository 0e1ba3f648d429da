package stats

import (
	"bytes"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// disks reads what went to and came from block devices, which are called MAJOR:MINOR there. A kernel or a group that does not count
// it has no such file.
func (g *group) disks(buf *buffer, u *capsule.Usage) error {
	if g.diskBytes == "" {
		return nil
	}
	data, err := buf.once(g.diskBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // of a group that has gone, the memory would have said so
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		device, counters, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if !bytes.Contains(device, []byte(":")) {
			continue // the total
		}
		read, write := ofDisk(counters, g.diskV2)
		if read > 0 || write > 0 {
			u.AddDisk(capsule.Disk{Device: string(device), ReadBytes: read, WriteBytes: write})
		}
	}
	return nil
}

// ofDisk reads "Read 1" or "Write 2" of v1, and "rbytes=1 wbytes=2 rios=…" of v2.
func ofDisk(counters []byte, v2 bool) (read, write uint64) {
	if !v2 {
		name, number, _ := bytes.Cut(counters, []byte(" "))
		switch n, _ := digits(number); string(name) {
		case "Read":
			return n, 0
		case "Write":
			return 0, n
		}
		return 0, 0
	}
	for field := range bytes.FieldsSeq(counters) {
		name, number, _ := bytes.Cut(field, []byte("="))
		switch n, _ := digits(number); string(name) {
		case "rbytes":
			read = n
		case "wbytes":
			write = n
		}
	}
	return read, write
}

// devices are the names of block devices. The zero value knows none yet.
type devices struct {
	mu    sync.Mutex
	at    time.Time
	names map[string]string // by MAJOR:MINOR
}

// name is the name of a device, which /proc/diskstats tells, read again every now and then; its number when there is none.
func (d *devices) name(number, diskstats string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) > unasked {
		d.at, d.names = time.Now(), map[string]string{}
		buf := buffers.Get().(*buffer)
		defer buffers.Put(buf)
		data, _ := buf.all(diskstats) // without it they go by their numbers
		for line := range bytes.Lines(data) {
			if f := bytes.Fields(line); len(f) > 2 {
				d.names[string(f[0])+":"+string(f[1])] = string(f[2])
			}
		}
	}
	if name, ok := d.names[number]; ok {
		return name
	}
	return number
}
