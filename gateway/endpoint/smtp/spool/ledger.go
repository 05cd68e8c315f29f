package spool

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tunic/gateway/durable"
)

// keepDays is longer than any box tries to deliver a message (5 days).
const keepDays = 10

// day names the files of the ledger.
const day = "2006-01-02"

// Ledger remembers which transfers were accepted, so that a message whose
// "250" got lost on the way and that is sent again is not delivered again.
// It is one file a day with a key in each line. It is safe for concurrent use.
type Ledger struct {
	dir string

	mu       sync.Mutex
	seen     map[string]string // the day of each key
	inFlight map[string]bool
	file     *os.File
	date     string // of file
	owed     string // lines that could not be written
}

// Key names one transfer: from whom, which message, to whom.
func Key(from, transfer, to string) string {
	h := sha256.New()
	for _, part := range []string{from, transfer, to} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// openLedger reads the days that count and removes older ones.
func openLedger(dir string, now time.Time) (*Ledger, error) {
	l := &Ledger{dir: dir, seen: make(map[string]string), inFlight: make(map[string]bool)}
	if err := l.forget(now); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, err := time.Parse(day, e.Name()); err != nil {
			continue // nobody's
		}
		if err := l.read(e.Name()); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// forget removes the days that do not count any more.
func (l *Ledger) forget(now time.Time) error {
	oldest := now.UTC().AddDate(0, 0, -keepDays).Format(day)
	maps.DeleteFunc(l.seen, func(_, date string) bool { return date < oldest })
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := time.Parse(day, e.Name()); err != nil || e.Name() >= oldest {
			continue
		}
		if err := os.Remove(filepath.Join(l.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// read takes over one day. A line that a power cut left short is no key.
func (l *Ledger) read(date string) error {
	f, err := os.Open(filepath.Join(l.dir, date))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if len(lines.Text()) == 32 {
			l.seen[lines.Text()] = date
		}
	}
	return lines.Err()
}

// Claim says for each key whether its transfer is new. It fails, and claims
// nothing, if one of them is being accepted at this moment over another
// connection. The caller releases the claim when that is decided.
func (l *Ledger) Claim(keys []string) (isNew []bool, release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if l.inFlight[k] {
			return nil, nil, false
		}
	}
	for _, k := range keys {
		l.inFlight[k] = true
		isNew = append(isNew, l.seen[k] == "")
	}
	return isNew, func() { l.release(keys) }, true
}

func (l *Ledger) release(keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		delete(l.inFlight, k)
	}
}

// Add writes keys down, durably. Until it has returned nil, nobody may be told
// that their transfers were accepted, and the messages may not leave the spool.
func (l *Ledger) Add(keys []string, now time.Time) error {
	added := l.note(keys, now)
	if len(added) == 0 {
		return nil
	}
	err := l.sync()
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range added {
		delete(l.seen, k)
		l.owed = strings.Replace(l.owed, line(k), "", 1)
	}
	return fmt.Errorf("writing down what came in: %w", classify(err))
}

// line is a key in a file. What came before it may have been cut short.
func line(key string) string { return "\n" + key + "\n" }

// note remembers keys of which something else, the journal, is durable until
// sync has returned nil. It returns those that are new.
func (l *Ledger) note(keys []string, now time.Time) (added []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if l.seen[k] == "" {
			l.seen[k] = now.UTC().Format(day)
			added = append(added, k)
			l.owed += line(k)
		}
	}
	if l.owed != "" {
		l.write(now)
	}
	return added
}

// write appends what is owed, in one write. What fails is owed still.
func (l *Ledger) write(now time.Time) error {
	f, err := l.today(now)
	if err == nil {
		_, err = f.WriteString(l.owed)
	}
	if err == nil {
		l.owed = ""
	}
	return err
}

// sync makes all that was noted durable.
func (l *Ledger) sync() error {
	l.mu.Lock()
	var err error
	if l.owed != "" {
		err = l.write(time.Now())
	}
	f := l.file
	l.mu.Unlock()
	if err != nil || f == nil {
		return err
	}
	return f.Sync()
}

// has reports whether a key was written down.
func (l *Ledger) has(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[key] != ""
}

// today returns the file of the day.
func (l *Ledger) today(now time.Time) (*os.File, error) {
	date := now.UTC().Format(day)
	if l.file != nil && l.date == date {
		return l.file, nil
	}
	if l.file != nil {
		if err := l.file.Sync(); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(filepath.Join(l.dir, date), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l.file, l.date = f, date // somebody may still sync the last one: it closes when nobody does
	return f, errors.Join(l.forget(now), durable.SyncDir(l.dir))
}
