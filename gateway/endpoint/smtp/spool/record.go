package spool

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// The journal begins with a block that says its generation, a number that nobody
// can guess. Records follow, batch after batch; each batch begins with a block,
// and the rest of its last one is zero. A record is, little-endian:
//
//	8 bytes  the generation; records of another are left over
//	4 bytes  length of the envelope, as encode makes it
//	4 bytes  length of the content
//	4 bytes  CRC-32C of all this, and of what follows
//	         envelope, content
//
// The first that is not whole is where the power went, and nobody was promised
// anything from there on.
const (
	block     = 4096 // no disk leaves less of a write half done
	magic     = "tunicML1"
	fixed     = 20 // bytes of a record before its envelope
	maxRecord = 512 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is one message in the journal.
type record struct {
	envelope      *Envelope // as it was accepted
	text, content []byte    // the envelope encoded; the content
	at            int64     // offset in the file
}

func (r *record) length() int { return fixed + len(r.text) + len(r.content) }

// append writes the record behind b.
func (r *record) append(b []byte, generation uint64) []byte {
	begin := len(b)
	b = binary.LittleEndian.AppendUint64(b, generation)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.text)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.content)))
	b = append(b, 0, 0, 0, 0)
	b = append(append(b, r.text...), r.content...)
	binary.LittleEndian.PutUint32(b[begin+16:], sum(b[begin:]))
	return b
}

// sum is the checksum of a record that begins with b and ends with it.
func sum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:16], castagnoli), castagnoli, b[fixed:])
}

// padded is a length rounded up to whole blocks.
func padded(n int64) int64 { return (n + block - 1) / block * block }

// newGeneration is never zero.
func newGeneration() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:]) | 1
}

// header is the first block of a journal.
func header(generation uint64) []byte {
	b := binary.LittleEndian.AppendUint64([]byte(magic), generation)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(b, make([]byte, block-len(b))...)
}

// scan reads a journal: its generation, and the records of it. ok is false for
// what is none.
func scan(file []byte) (generation uint64, records []record, ok bool) {
	if len(file) < block {
		return 0, nil, false
	}
	generation = binary.LittleEndian.Uint64(file[len(magic):])
	if !bytes.Equal(file[:block], header(generation)) {
		return 0, nil, false
	}
	for at := block; at < len(file); {
		r, ok := parse(file[at:], generation)
		if ok {
			r.at = int64(at)
			records = append(records, r)
			at += r.length()
			continue
		}
		next := int(padded(int64(at)))
		if next == at || next > len(file) || slices.ContainsFunc(file[at:next], func(c byte) bool { return c != 0 }) {
			break
		}
		at = next
	}
	return generation, records, true
}

// parse reads the record that b begins with.
func parse(b []byte, generation uint64) (r record, ok bool) {
	if len(b) < fixed || binary.LittleEndian.Uint64(b) != generation {
		return r, false
	}
	envelope, content := int64(binary.LittleEndian.Uint32(b[8:])), int64(binary.LittleEndian.Uint32(b[12:]))
	length := fixed + envelope + content
	if length > int64(len(b)) || binary.LittleEndian.Uint32(b[16:]) != sum(b[:length]) {
		return r, false
	}
	r.text, r.content = b[fixed:fixed+envelope], b[fixed+envelope:length]
	e, err := decode(r.text)
	if err != nil || e.Size != content {
		return r, false
	}
	r.envelope = e
	return r, true
}

// doneLine says of a record that its message is finished.
func doneLine(generation uint64, at int64) string { return fmt.Sprintf("\n%016x %d\n", generation, at) }

// doneLength is more than a line has.
const doneLength = 40

// doneIn is the offsets of a generation's records of which lines say so. What
// the power has left of a line says nothing.
func doneIn(text []byte, generation uint64) map[int64]bool {
	done := make(map[int64]bool)
	for line := range bytes.Lines(text) {
		number, offset, _ := strings.Cut(string(line[:min(len(line), doneLength)]), " ")
		g, err := strconv.ParseUint(number, 16, 64)
		at, err2 := strconv.ParseInt(strings.TrimSuffix(offset, "\n"), 10, 64)
		if err == nil && err2 == nil && g == generation && string(line) == doneLine(g, at)[1:] {
			done[at] = true
		}
	}
	return done
}
