package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/internal/native"
)

// opened is the spool of each directory that a test has open.
var opened = map[string]*Spool{}

// open opens the spool in dir, as the next process does after the last.
func open(t *testing.T, dir string) *Spool {
	t.Helper()
	if last := opened[dir]; last != nil {
		last.Close()
	}
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	opened[dir] = s
	return s
}

// Two processes never have one spool: the second would clear away what the
// first is about to accept.
func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := commit(t, s, envelope("late-message"), "x\r\n"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Commit after Close: %v", err)
	}
	open(t, dir)
}

func envelope(id string) *Envelope {
	return &Envelope{ID: id, From: "a@b.example", Origin: Submitted, Arrived: time.Now(),
		Recipients: []Recipient{{To: "c@d.example", State: Waiting}}}
}

func commit(t *testing.T, s *Spool, e *Envelope, text string) error {
	t.Helper()
	d := s.Draft()
	defer d.Close()
	if _, err := io.WriteString(d, text); err != nil {
		t.Fatal(err)
	}
	return s.Commit(e, "Head: x\r\n", d)
}

func content(t *testing.T, s *Spool, id string) string {
	t.Helper()
	f, err := s.Content(id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCommittedMessagesAreFoundAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	long := strings.Repeat("0123456789abcde\n", 40000) // spills to a file
	for id, text := range map[string]string{"short-message": "hello\r\n", "long-message": long} {
		if err := commit(t, s, envelope(id), text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Update("short-message", func(e *Envelope) { e.Attempts = 3 }); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got := content(t, s, "long-message"); got != "Head: x\r\n"+long {
		t.Errorf("%d bytes are left of the long message", len(got))
	}
	e, err := s.Get("short-message")
	if err != nil || e.Attempts != 3 || e.Size != int64(len("Head: x\r\nhello\r\n")) {
		t.Errorf("the envelope is %+v, %v", e, err)
	}
	if err := s.Remove("short-message"); err != nil {
		t.Fatal(err)
	}
	if s = open(t, dir); len(s.All()) != 1 {
		t.Errorf("%d messages are left", len(s.All()))
	}
}

func TestASecondCommitOfAnIDDoesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	for _, text := range []string{"first\r\n", "second\r\n"} {
		if err := commit(t, s, envelope("same-message"), text); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, s, "same-message"); !strings.Contains(got, "first") {
		t.Errorf("it was replaced: %q", got)
	}
}

// What a crash leaves at any step is cleared away, and what nobody understands
// is kept for its owner.
func TestRecovery(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := commit(t, s, envelope("good-message"), "x\r\n"); err != nil {
		t.Fatal(err)
	}
	finished := envelope("finished-message")
	finished.Recipients[0].State = Delivered
	if err := commit(t, s, finished, "x\r\n"); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"without-envelope.eml": "x", ".without-name.json": "{", ".draft-123": "x",
		"broken-message.json": "{", "broken-message.eml": "x", "without-content.json": `{"id":"without-content"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, "queue", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir)
	if all := s.All(); len(all) != 1 || all[0].ID != "good-message" {
		t.Errorf("the spool holds %v", all)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "queue", "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, "queue", ".*"))
	if len(left) != 2 || len(hidden) != 0 {
		t.Errorf("files left: %v %v", left, hidden)
	}
	if bad, _ := filepath.Glob(filepath.Join(dir, "bad", "*")); len(bad) != 3 {
		t.Errorf("put aside: %v", bad)
	}
}

func TestAFullDiskAcceptsNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := os.Symlink("/dev/full", filepath.Join(dir, "queue", "full-message.eml")); err != nil {
		t.Fatal(err)
	}
	if err := commit(t, s, envelope("full-message"), "x\r\n"); !errors.Is(err, ErrFull) {
		t.Errorf("Commit on a full disk: %v", err)
	}
	if len(s.All()) != 0 || len(open(t, dir).All()) != 0 {
		t.Error("something was accepted")
	}
}

// A process that is killed at any moment has lost nothing that it had accepted.
func TestKilledWriter(t *testing.T) {
	native.Require(t)
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestWriterProcess$")
	cmd.Env = append(os.Environ(), "SPOOL_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var accepted []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		accepted = append(accepted, lines.Text())
		if len(accepted) == 40 {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if len(accepted) < 40 {
		t.Fatalf("the writer accepted only %d messages", len(accepted))
	}
	s := open(t, dir)
	for _, id := range accepted {
		if _, err := s.Get(id); err != nil {
			t.Errorf("%s: %v", id, err)
		} else if got := content(t, s, id); got != "Head: x\r\n"+id+"\r\n" {
			t.Errorf("%s holds %q", id, got)
		}
	}
}

// TestWriterProcess is the process that TestKilledWriter kills.
func TestWriterProcess(t *testing.T) {
	dir := os.Getenv("SPOOL_DIR")
	if dir == "" {
		return // only as a process of its own
	}
	s := open(t, dir)
	for i := range 100000 {
		id := fmt.Sprintf("message-%d", i)
		if err := commit(t, s, envelope(id), id+"\r\n"); err != nil {
			t.Fatal(err)
		}
		fmt.Println(id)
	}
}

func FuzzEnvelope(f *testing.F) {
	good, err := encode(envelope("good-message"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"id":"../../etc/passwd","recipients":[{"to":"x","state":"waiting"}]}`))
	f.Add([]byte(`{"id":"good-message","origin":"submitted","recipients":[{"to":"","state":"x"}]}`))
	f.Add([]byte(`{"recipients":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := decode(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(e.ID, "/.") || e.Done() && len(e.Recipients) == 0 {
			t.Fatalf("%q is no envelope", text)
		}
		again, err := encode(e)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := decode(again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

// A file that says what this package never writes is no envelope, and what is
// not there is not updated.
func TestWhatIsNoEnvelope(t *testing.T) {
	for _, r := range []Recipient{{To: "", State: Waiting}, {To: "bob@x", State: "lost"}, {To: "bob@x"}} {
		e := envelope("message-0")
		e.Recipients = append(e.Recipients, r)
		if _, err := encode(e); err == nil {
			t.Errorf("%+v is taken for a recipient", r)
		}
	}
	s := open(t, t.TempDir())
	if _, err := s.Update("message-9", func(*Envelope) {}); !errors.Is(err, ErrUnknown) {
		t.Errorf("updated what is not there: %v", err)
	}
}
