package spool

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// older is what a version does at its start that knows no journal: it reads
// envelope files, writes down what came in with them, and removes contents
// without one. It returns the IDs of the messages that it has, which it then
// delivers.
func older(t *testing.T, dir string) (ids []string) {
	t.Helper()
	queue := filepath.Join(dir, "queue")
	entries, err := os.ReadDir(queue)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := os.OpenFile(filepath.Join(dir, "seen", time.Now().UTC().Format(day)), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer seen.Close()
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), envelopeSuffix)
		if !ok || strings.HasPrefix(id, newPrefix) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(queue, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		_, keys, _ := strings.Cut(string(text), `"seen":["`)
		keys, _, _ = strings.Cut(keys, `"]`)
		for key := range strings.SplitSeq(keys, `","`) {
			seen.WriteString("\n" + key + "\n")
		}
		ids = append(ids, id)
	}
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), contentSuffix)
		if strings.HasPrefix(entry.Name(), newPrefix) || ok && !slices.Contains(ids, id) {
			if err := os.Remove(filepath.Join(queue, entry.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ids
}

// deliver is what it does then.
func deliver(t *testing.T, dir string, ids []string) {
	t.Helper()
	for _, id := range ids {
		for _, suffix := range []string{envelopeSuffix, contentSuffix} {
			if err := os.Remove(filepath.Join(dir, "queue", id+suffix)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An older version that is put back after this one has ended has all messages,
// and what it delivers does not come back with this one.
func TestAnOlderVersionIsPutBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, "message-1", "message-2")
	s.Close()
	delete(opened, dir)
	ids := older(t, dir)
	if len(ids) != 2 {
		t.Fatalf("it has %v", ids)
	}
	deliver(t, dir, ids[:1])
	holds(t, open(t, dir), []string{"message-2"}, "message-1")
}

// One that is put back after a crash has what had waited, and leaves the rest in
// the journal, where this version finds it. Nothing is delivered by both.
func TestAnOlderVersionAfterACrash(t *testing.T) {
	for _, power := range []bool{false, true} {
		dir := t.TempDir()
		s := open(t, dir)
		fill(t, s, "message-1", "message-2", "message-3", "message-4")
		if _, err := s.Update("message-2", func(e *Envelope) { e.Attempts = 1 }); err != nil {
			t.Fatal(err)
		}
		if err := s.settleOne(s.journal.lookup("message-3")); err != nil {
			t.Fatal(err)
		}
		if crash(s, dir); power {
			powerCut(t, s, dir)
		}
		ids := older(t, dir)
		if !slices.Equal(ids, []string{"message-2", "message-3"}) {
			t.Fatalf("power cut: %t: it has %v", power, ids)
		}
		deliver(t, dir, ids)
		s = open(t, dir)
		holds(t, s, []string{"message-1", "message-4"}, ids...)
	}
}

// A message of the journal that is older than what the ledger knows is put aside:
// an older version may have delivered it long ago.
func TestAMessageThatIsTooOldForTheLedger(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	e := envelope("message-1")
	e.Arrived = time.Now().AddDate(0, 0, -keepDays)
	if err := commit(t, s, e, "x\r\n"); err != nil {
		t.Fatal(err)
	}
	powerCut(t, s, dir)
	s = open(t, dir)
	if bad, _ := filepath.Glob(filepath.Join(dir, "bad", "*.eml")); len(s.All()) != 0 || len(bad) != 1 {
		t.Errorf("it holds %v, put aside are %v", s.All(), bad)
	}
}
