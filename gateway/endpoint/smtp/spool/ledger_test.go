package spool

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLedgerRemembers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	now := time.Now()
	a, b := Key("k", "1", "x"), Key("k", "1", "y")
	if a == b || a == Key("k1", "", "x") {
		t.Fatal("different transfers have one key")
	}
	if isNew, release, ok := s.Ledger().Claim([]string{a, b}); !ok || !isNew[0] || !isNew[1] {
		t.Fatalf("Claim = %v, %v", isNew, ok)
	} else {
		if _, _, ok := s.Ledger().Claim([]string{b}); ok {
			t.Error("a transfer that is under way was claimed twice")
		}
		release()
	}
	if err := s.Ledger().Add([]string{a}, now); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	isNew, release, ok := s.Ledger().Claim([]string{a, b})
	if !ok || isNew[0] || !isNew[1] {
		t.Errorf("after a restart Claim = %v, %v", isNew, ok)
	}
	release()
}

// A message that is in the spool was seen, even if the power went before the
// ledger knew.
func TestLedgerLearnsFromTheSpool(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	e := envelope("message-1")
	e.Seen = []string{Key("k", "1", "x")}
	if err := commit(t, s, e, "x\r\n"); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if err := s.Remove("message-1"); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if isNew, _, _ := s.Ledger().Claim(e.Seen); isNew[0] {
		t.Error("it was forgotten")
	}
}

func TestLedgerForgetsAndSurvivesShortLines(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	today := filepath.Join(dir, "seen", time.Now().UTC().Format(day))
	old := filepath.Join(dir, "seen", time.Now().AddDate(0, 0, -keepDays-2).Format(day))
	for path, text := range map[string]string{today: "0123456789", old: Key("k", "1", "x") + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := Key("k", "2", "x")
	if err := open(t, dir).Ledger().Add([]string{key}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if isNew, _, _ := open(t, dir).Ledger().Claim([]string{key, Key("k", "1", "x")}); isNew[0] || !isNew[1] {
		t.Errorf("Claim = %v", isNew)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Error("an old day is still there")
	}
}

// A day that does not count any more is forgotten by a process that goes on, and
// the others are not.
func TestLedgerForgetsWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir).Ledger()
	now := time.Now()
	for n, id := range map[int]string{0: "1", keepDays: "2", keepDays + 1: "3"} {
		if err := l.Add([]string{Key("k", id, "x")}, now.AddDate(0, 0, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Add([]string{Key("k", "4", "x")}, now.AddDate(0, 0, keepDays+2)); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, id := range []string{"1", "2", "3", "4"} {
		keys = append(keys, Key("k", id, "x"))
	}
	if isNew, _, _ := l.Claim(keys); !isNew[0] || isNew[1] || isNew[2] || isNew[3] || len(l.seen) != 3 {
		t.Errorf("new are %v of %d", isNew, len(l.seen))
	}
	if days, _ := os.ReadDir(filepath.Join(dir, "seen")); len(days) != 3 {
		t.Errorf("there are %d days", len(days))
	}
}

// A key takes 34 bytes, however many there are, and one that is there takes none.
func TestLedgerAppends(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir).Ledger()
	now := time.Now()
	path := filepath.Join(dir, "seen", now.UTC().Format(day))
	var first *os.File
	for n := range 100 {
		for range 2 {
			if err := l.Add([]string{Key("k", string(rune(n)), "x")}, now); err != nil {
				t.Fatal(err)
			}
		}
		if first == nil {
			var err error
			if first, err = os.Open(path); err != nil {
				t.Fatal(err)
			}
			defer first.Close()
		}
	}
	if info, err := first.Stat(); err != nil || info.Size() != 100*34 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}
