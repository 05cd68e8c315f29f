package spool

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// written is the file of a journal with three batches, and where each of its
// records ends.
func written(t testing.TB, generation uint64) (file []byte, ends []int) {
	t.Helper()
	file = header(generation)
	for batch := range 3 {
		for i := range 2 + batch {
			e := envelope(fmt.Sprintf("message-%d-%d-%d", batch, i, generation))
			content := bytes.Repeat([]byte{byte('a'+i) + byte(generation)}, 3000)
			e.Size = int64(len(content))
			text, err := encode(e)
			if err != nil {
				t.Fatal(err)
			}
			file = (&record{text: text, content: content}).append(file, generation)
			ends = append(ends, len(file))
		}
		file = append(file, make([]byte, padded(int64(len(file)))-int64(len(file)))...)
	}
	return file, ends
}

// Wherever the power has cut the file off, with nothing, zeros, or another
// generation behind, the records before are read, and no others.
func TestTornJournal(t *testing.T) {
	file, ends := written(t, 7)
	older, _ := written(t, 9)
	for at := block; at <= len(file); at += 61 {
		want := 0
		for want < len(ends) && ends[want] <= at {
			want++
		}
		for what, rest := range map[string][]byte{"nothing": nil, "zeros": make([]byte, len(file)-at), "older": older[at:]} {
			generation, records, ok := scan(append(bytes.Clone(file[:at]), rest...))
			if !ok || generation != 7 || len(records) != want {
				t.Fatalf("cut at %d with %s behind: %d records of %d", at, what, len(records), want)
			}
		}
	}
}

// A message whose text looks like a record, even one of this generation, is no
// record when the one that it is in was cut off.
func TestARecordInAMessage(t *testing.T) {
	e := envelope("message-9")
	e.Size = 5
	inner, err := encode(e)
	if err != nil {
		t.Fatal(err)
	}
	forged := (&record{text: inner, content: []byte("forge")}).append(nil, 7)
	text, err := encode(envelope("message-1"))
	if err != nil {
		t.Fatal(err)
	}
	file := (&record{text: text}).append(header(7), 7)
	content := bytes.Repeat([]byte("x"), int(padded(int64(len(file))))-len(file)-fixed-len(text))
	file = (&record{text: text, content: append(content, forged...)}).append(file, 7) // the forged one begins a block
	if at := len(file) - len(forged); at%block != 0 || !bytes.Equal(file[at:], forged) {
		t.Fatalf("it begins at %d", at)
	}
	file[len(file)-len(forged)-1]++ // it was not written whole
	if _, records, _ := scan(file); len(records) != 1 || records[0].envelope.ID != "message-1" {
		t.Errorf("%d records were read", len(records))
	}
}

// A byte that is another anywhere in a record is noticed.
func TestAChangedByte(t *testing.T) {
	file, ends := written(t, 7)
	for at := block; at < ends[0]; at += 13 {
		changed := bytes.Clone(file)
		changed[at] ^= 4
		if _, records, _ := scan(changed); len(records) > 0 && records[0].at == block {
			t.Fatalf("byte %d was changed, and nobody noticed", at)
		}
	}
}

// A journal that is none is put aside for its owner.
func TestAForeignJournal(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	delete(opened, dir)
	if err := os.WriteFile(filepath.Join(dir, "journal"), bytes.Repeat([]byte("what is this?"), 999), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if bad, _ := filepath.Glob(filepath.Join(dir, "bad", "journal-*")); len(bad) != 1 {
		t.Errorf("put aside: %v", bad)
	}
	fill(t, s, "message-1")
}

func FuzzJournal(f *testing.F) {
	file, ends := written(f, 7)
	f.Add(file)
	f.Add(file[:ends[3]-5])
	f.Add(header(1))
	f.Add([]byte(magic))
	huge := bytes.Clone(file)
	copy(huge[block+8:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	f.Add(huge)
	f.Fuzz(func(t *testing.T, file []byte) {
		generation, records, ok := scan(file)
		if !ok && len(records) > 0 {
			t.Fatal("there are records in what is no journal")
		}
		end := int64(block)
		for _, r := range records {
			if r.at < end || r.envelope.check() != nil || r.envelope.Size != int64(len(r.content)) {
				t.Fatalf("%+v is no record", r)
			}
			end = r.at + int64(r.length())
			if again := r.append(nil, generation); !bytes.Equal(again, file[r.at:end]) {
				t.Fatal("what was read is written in another way")
			}
		}
		doneIn(file, generation)
	})
}
