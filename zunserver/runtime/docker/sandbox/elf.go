package sandbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	base       = 0x400000 // where the file is loaded as a whole
	headerSize = 64       // Elf64_Ehdr
	phdrSize   = 56       // Elf64_Phdr
	start      = headerSize + 2*phdrSize
)

// elf64 wraps code for x86-64 into an executable of one read-and-execute segment and a stack that is not executable.
// The code starts at base+start, which is also the entry point.
func elf64(code []byte) []byte {
	size := uint64(start + len(code))
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			// Writing fixed-size values into a buffer cannot fail.
			_ = binary.Write(&b, binary.LittleEndian, v)
		}
	}
	put([]byte("\x7fELF"), []byte{2, 1, 1, 0}, uint64(0))            // 64 bit, little endian, version 1, System V
	put(uint16(2), uint16(62), uint32(1))                            // ET_EXEC, EM_X86_64, version
	put(uint64(base+start), uint64(headerSize), uint64(0))           // entry, program headers, no section headers
	put(uint32(0), uint16(headerSize), uint16(phdrSize), uint16(2))  // flags, header sizes, two program headers
	put(uint16(0), uint16(0), uint16(0))                             // no section headers
	put(uint32(1), uint32(5), uint64(0), uint64(base), uint64(base)) // PT_LOAD, R+X, offset, addresses
	put(size, size, uint64(0x1000))                                  // file size, memory size, alignment
	put(uint32(0x6474e551), uint32(6), uint64(0), uint64(0))         // PT_GNU_STACK, R+W
	put(uint64(0), uint64(0), uint64(0), uint64(16))
	b.Write(code)
	return b.Bytes()
}

// assembler puts instructions one after another and fills in the places that refer to labels.
type assembler struct {
	code   []byte
	labels map[string]int
	fixups []fixup
}

type fixup struct {
	at       int // of the value
	label    string
	size     int // 1 or 4: relative to the end of the value; 8: absolute
	relative bool
}

func (a *assembler) label(name string) { a.labels[name] = len(a.code) }

func (a *assembler) bytes(b ...byte) { a.code = append(a.code, b...) }

func (a *assembler) quad(v uint64) { a.code = binary.LittleEndian.AppendUint64(a.code, v) }

// ref leaves room for a label's place and remembers to fill it.
func (a *assembler) ref(label string, size int, relative bool) {
	a.fixups = append(a.fixups, fixup{at: len(a.code), label: label, size: size, relative: relative})
	a.code = append(a.code, make([]byte, size)...)
}

func (a *assembler) finish() []byte {
	for _, f := range a.fixups {
		to, ok := a.labels[f.label]
		if !ok {
			panic(fmt.Sprintf("sandbox program: no label %s", f.label))
		}
		switch {
		case !f.relative:
			binary.LittleEndian.PutUint64(a.code[f.at:], uint64(base+start+to))
		case f.size == 1:
			a.code[f.at] = byte(int8(to - (f.at + 1)))
		default:
			binary.LittleEndian.PutUint32(a.code[f.at:], uint32(int32(to-(f.at+4))))
		}
	}
	return a.code
}
