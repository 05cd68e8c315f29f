package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crash ends a spool as SIGKILL does: nothing is brought to an end, and what was
// written is there.
func crash(s *Spool, dir string) {
	s.lock.Close()
	delete(opened, dir)
}

// powerCut ends a spool as a power cut does that comes before the kernel has
// written anything that nobody has synced: contents without an envelope file
// are cut short, and lines that only note something are gone.
func powerCut(t *testing.T, s *Spool, dir string) {
	t.Helper()
	crash(s, dir)
	contents, err := filepath.Glob(filepath.Join(dir, "queue", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range contents {
		if _, err := os.Stat(strings.TrimSuffix(path, contentSuffix) + envelopeSuffix); err == nil {
			continue
		}
		err := os.Remove(path)
		if i%2 == 0 {
			err = os.WriteFile(path, nil, fileMode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	days, _ := filepath.Glob(filepath.Join(dir, "seen", "*"))
	for _, path := range append(days, filepath.Join(dir, "journal.done")) {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// fill accepts messages, each with a transfer of its own.
func fill(t *testing.T, s *Spool, ids ...string) {
	t.Helper()
	for _, id := range ids {
		e := envelope(id)
		e.Seen = []string{Key("k", id, "x")}
		if err := commit(t, s, e, id+"\r\n"); err != nil {
			t.Fatal(err)
		}
	}
}

// holds is that a spool has these messages, whole, and no others, and knows these transfers.
func holds(t *testing.T, s *Spool, ids []string, seen ...string) {
	t.Helper()
	if all := s.All(); len(all) != len(ids) {
		t.Errorf("it holds %d messages of %d", len(all), len(ids))
	}
	for _, id := range ids {
		if e, err := s.Get(id); err != nil {
			t.Errorf("%s: %v", id, err)
		} else if got := content(t, s, id); got != "Head: x\r\n"+id+"\r\n" || int64(len(got)) != e.Size {
			t.Errorf("%s holds %q", id, got)
		}
	}
	for _, id := range append(seen, ids...) {
		if !s.ledger.has(Key("k", id, "x")) {
			t.Errorf("that %s came in is forgotten", id)
		}
	}
}

// What was accepted is there after a power cut of which only the journal is left.
func TestPowerCut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, "message-1", "message-2", "message-3", "message-4")
	if _, err := s.Update("message-2", func(e *Envelope) { e.Attempts = 5 }); err != nil {
		t.Fatal(err)
	}
	if err := s.Durable("message-3"); err != nil {
		t.Fatal(err)
	}
	for id, synced := range map[string]bool{"message-1": false, "message-2": true, "message-3": true} {
		if s.journal.lookup(id).synced != synced {
			t.Errorf("%s: synced: %t", id, !synced)
		}
	}
	ids := []string{"message-1", "message-2", "message-3", "message-4"}
	for range 2 { // and again: what was restored is durable without the journal
		powerCut(t, s, dir)
		s = open(t, dir)
		holds(t, s, ids)
	}
	if e, _ := s.Get("message-2"); e.Attempts != 5 {
		t.Errorf("an envelope that was newer than the journal was replaced: %+v", e)
	}
}

// A message that was finished does not come back when its process is killed at
// any moment, and what it brought was seen.
func TestFinishedStaysFinished(t *testing.T) {
	for _, left := range []string{"nothing", "its content", "its files"} {
		dir := t.TempDir()
		s := open(t, dir)
		fill(t, s, "message-1", "message-2")
		if left == "its files" {
			if _, err := s.Update("message-1", func(e *Envelope) { e.Attempts = 1 }); err != nil {
				t.Fatal(err)
			}
		}
		if left == "nothing" {
			if err := s.Remove("message-1"); err != nil {
				t.Fatal(err)
			}
		} else {
			s.journal.finished(s.journal.lookup("message-1"))
		}
		crash(s, dir)
		days, _ := filepath.Glob(filepath.Join(dir, "seen", "*"))
		if err := os.Truncate(days[0], 0); err != nil { // nobody had synced it
			t.Fatal(err)
		}
		holds(t, open(t, dir), []string{"message-2"}, "message-1")
	}
}

// The line that says so belongs to one record: a later message of the same ID,
// which a step that was repeated makes, is another.
func TestFinishedIsARecord(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, "message-1")
	if err := s.Remove("message-1"); err != nil {
		t.Fatal(err)
	}
	fill(t, s, "message-1")
	crash(s, dir)
	s = open(t, dir)
	holds(t, s, []string{"message-1"})
	if err := s.Remove("message-1"); err != nil {
		t.Fatal(err)
	}
	lines := doneLine(s.journal.generation+2, block) + doneLine(s.journal.generation, block) // the second: once it is another's
	fill(t, s, "message-2")
	if err := os.WriteFile(filepath.Join(dir, "journal.done"), []byte(lines[:len(lines)-3]), 0o600); err != nil {
		t.Fatal(err)
	}
	crash(s, dir)
	holds(t, open(t, dir), []string{"message-2"})
}

// The process ends after each step of what empties the journal; nothing is lost
// or comes back.
func TestCrashWhileTheJournalIsEmptied(t *testing.T) {
	ids := []string{"message-1", "message-2", "message-3"}
	entries := func(s *Spool) (list []*entry) {
		for _, id := range ids {
			list = append(list, s.journal.lookup(id))
		}
		return list
	}
	steps := map[string]func(s *Spool) error{
		"one is settled":  func(s *Spool) error { return s.settleOne(entries(s)[0]) },
		"all are settled": func(s *Spool) error { return s.settle(entries(s)) },
		"it has a new generation": func(s *Spool) error {
			err := s.settle(entries(s))
			_, err2 := s.journal.file.WriteAt(header(newGeneration()), 0)
			return errors.Join(err, err2)
		},
		"it is empty": func(s *Spool) error { return s.journal.empty() },
		"one is settled, and finished": func(s *Spool) error {
			err := s.settleOne(entries(s)[2])
			return errors.Join(err, s.Remove(ids[2]))
		},
		"all are settled, and one is finished": func(s *Spool) error {
			err := s.settle(entries(s))
			return errors.Join(err, s.Remove(ids[2]))
		},
		"it is empty, and one is finished": func(s *Spool) error {
			err := s.journal.empty()
			return errors.Join(err, s.Remove(ids[2]))
		},
	}
	for what, step := range steps {
		for _, power := range []bool{false, true} {
			dir := t.TempDir()
			s := open(t, dir)
			fill(t, s, append([]string{"message-0"}, ids...)...)
			if err := s.Remove("message-0"); err != nil {
				t.Fatal(err)
			}
			if err := step(s); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			want := ids
			if strings.HasSuffix(what, "finished") {
				want = ids[:2]
			}
			if power && !strings.HasPrefix(what, "it is empty") {
				continue // what was finished a moment ago may be there again: its Maildir knows it
			}
			if crash(s, dir); power {
				s.lock.Close()
			}
			t.Logf("%s, power: %t", what, power)
			holds(t, open(t, dir), want, "message-0")
		}
	}
}

// An envelope that changes while the journal is emptied is the newer one.
func TestAnEnvelopeChangesMeanwhile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 100 {
		id := fmt.Sprintf("message-%d", i)
		fill(t, s, id)
		e := s.journal.lookup(id)
		settled := make(chan error)
		go func() { settled <- s.settleOne(e) }()
		if i%2 == 0 {
			time.Sleep(time.Duration(i) * 10 * time.Microsecond)
		}
		if _, err := s.Update(id, func(e *Envelope) { e.Attempts = 3 }); err != nil {
			t.Fatal(err)
		}
		if err := <-settled; err != nil {
			t.Fatal(err)
		}
		if e, err := readEnvelope(filepath.Join(dir, "queue", id+envelopeSuffix)); err != nil || e.Attempts != 3 {
			t.Fatalf("the %dth: %+v, %v", i, e, err)
		}
	}
}

// What the journal cannot hold any more gets files of its own, and the rest is
// forgotten.
func TestAFullJournalBeginsAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	first := s.journal.generation
	text := strings.Repeat("0123456789abcde\n", 12<<10) // 192 kB
	var want []string
	for i := range 60 {
		id := fmt.Sprintf("message-%d", i)
		if err := commit(t, s, envelope(id), text); err != nil {
			t.Fatal(err)
		}
		if i%3 > 0 {
			if err := s.Remove(id); err != nil {
				t.Fatal(err)
			}
		} else {
			want = append(want, id)
		}
	}
	if info, err := s.journal.file.Stat(); err != nil || info.Size() > journalSize || s.journal.generation == first {
		t.Fatalf("the journal has %d bytes, %v", info.Size(), err)
	}
	crash(s, dir)
	s = open(t, dir)
	if all := s.All(); len(all) != len(want) {
		t.Errorf("%d messages of %d are left", len(all), len(want))
	}
	for _, id := range want {
		if got := content(t, s, id); got != "Head: x\r\n"+text {
			t.Errorf("%s has %d bytes", id, len(got))
		}
	}
}

// What is on the disk is not in memory too until the journal is full, and of what is finished
// nothing is.
func TestAMessageIsOnTheDiskAlone(t *testing.T) {
	s := open(t, t.TempDir())
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const messages, size = 15, 192 << 10 // fewer than make it begin again
	text, before := strings.Repeat("x", size), inUse()
	for i := range messages {
		fill(t, s, fmt.Sprintf("message-%d", i))
		if err := commit(t, s, envelope(fmt.Sprintf("long-message-%d", i)), text); err != nil {
			t.Fatal(err)
		}
	}
	if after := inUse(); after > before+size {
		t.Errorf("with %d messages of %d bytes that wait, %d bytes more are in use", messages, size, after-before)
	}
	if n := len(s.journal.live); n != 2*messages {
		t.Errorf("the journal knows %d messages of %d that wait", n, 2*messages)
	}
	for _, e := range s.All() {
		if err := s.Remove(e.ID); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.journal.live); n != 0 {
		t.Errorf("it knows %d that are finished", n)
	}
}

// A disk that is full or read-only, or that cannot sync: nothing is accepted that
// is not durable, and what follows is, once it is possible.
func TestAJournalThatCannotBeWritten(t *testing.T) {
	for what, path := range map[string]string{"full": "/dev/full", "read-only": "", "no sync": os.DevNull} {
		dir := t.TempDir()
		s := open(t, dir)
		fill(t, s, "message-1")
		good := s.journal.file
		var err error
		if path == "" {
			s.journal.file, err = os.Open(filepath.Join(dir, "journal"))
		} else {
			s.journal.file, err = os.OpenFile(path, os.O_RDWR, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		err = commit(t, s, envelope("message-2"), "x\r\n")
		if err == nil || errors.Is(err, ErrFull) != (what == "full") || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", what, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "queue", "*")); len(left) != 1 {
			t.Errorf("%s: left are %v", what, left)
		}
		lines, _ := os.ReadFile(filepath.Join(dir, "journal.done"))
		if doneIn(lines, s.journal.generation)[s.journal.tail] != (what == "no sync") {
			t.Errorf("%s: what may be in the journal, and was not accepted: %q", what, lines)
		}
		s.journal.file.Close()
		s.journal.file = good
		fill(t, s, "message-3")
		if _, err := os.Stat(filepath.Join(dir, "queue", "message-3.json")); (err == nil) != (what == "no sync") {
			t.Errorf("%s: the next message has an envelope file: %t", what, err == nil)
		}
		if what == "no sync" { // what is in the journal counts, if it can be read
			powerCutButKeepSeen(t, s, dir)
		} else {
			powerCut(t, s, dir)
		}
		holds(t, open(t, dir), []string{"message-1", "message-3"})
	}
}

// powerCutButKeepSeen is one after which the ledger's file is there, as it is
// where it was synced.
func powerCutButKeepSeen(t *testing.T, s *Spool, dir string) {
	t.Helper()
	days, _ := filepath.Glob(filepath.Join(dir, "seen", "*"))
	text, err := os.ReadFile(days[0])
	if err != nil {
		t.Fatal(err)
	}
	powerCut(t, s, dir)
	if err := os.WriteFile(days[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// On a full disk no spool is opened, and the journal stays as it is.
func TestOpenOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	if err := os.Rename(filepath.Join(dir, "journal"), filepath.Join(dir, "kept")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(dir, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrFull) {
		t.Errorf("Open: %v, %v", s, err)
	}
}

// A message that was delivered to its only recipient gets no envelope file for
// that.
func TestNoEnvelopeForWhatIsFinished(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, "message-1")
	e, err := s.Update("message-1", func(e *Envelope) { e.Recipients[0].State = Delivered })
	if err != nil || !e.Done() {
		t.Fatalf("%+v, %v", e, err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "queue", "*.json")); len(files) != 0 {
		t.Errorf("there are %v", files)
	}
	long := s.Draft()
	defer long.Close()
	if _, err := io.Copy(long, bytes.NewReader(make([]byte, inMemory+1))); err != nil {
		t.Fatal(err)
	}
	tail := s.journal.tail
	if err := s.Commit(envelope("message-2"), "Head: x\r\n", long); err != nil || s.journal.tail != tail {
		t.Errorf("a long message: %v, %d bytes in the journal", err, s.journal.tail-tail)
	}
}

// What was refused because a batch could not be written whole does not come out of the
// journal later, behind what was written in its place.
func TestRefusedStaysRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, "message-1")
	refused := func(id string, size func(text []byte) int) *entry {
		e := envelope(id)
		e.Size = int64(block) // as many digits as in the end
		for range 2 {
			text, err := encode(e)
			if err != nil {
				t.Fatal(err)
			}
			e.Size = int64(size(text))
		}
		text, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		return &entry{record: record{envelope: e, text: text, content: make([]byte, e.Size)}}
	}
	batch := []*entry{refused("refused-1", func(text []byte) int { return block - fixed - len(text) }),
		refused("refused-2", func([]byte) int { return 1 })}
	if batch[0].length() != block { // the second begins where the next batch can begin
		t.Fatalf("the first record has %d bytes", batch[0].length())
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	short := syscall.Rlimit{Cur: uint64(s.journal.tail) + uint64(batch[0].length()+batch[1].length()), Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &short); err != nil {
		t.Fatal(err)
	}
	err := s.journal.write(batch)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Fatal("the batch was written")
	}
	fill(t, s, "message-2")
	crash(s, dir)
	holds(t, open(t, dir), []string{"message-1", "message-2"})
}
