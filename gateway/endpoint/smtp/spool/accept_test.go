package spool

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tunic/internal/native"
)

// Everybody who waits shares one write and one sync.
func TestOneSyncForAllThatWait(t *testing.T) {
	s := open(t, t.TempDir())
	s.journal.mu.Lock()
	s.journal.writing = true // somebody writes, for long
	s.journal.mu.Unlock()
	tail := s.journal.tail
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := commit(t, s, envelope(fmt.Sprintf("message-%d", i)), "x\r\n"); err != nil {
				t.Error(err)
			}
		})
	}
	waiting := func() int {
		s.journal.mu.Lock()
		defer s.journal.mu.Unlock()
		return len(s.journal.waiting)
	}
	for begin := time.Now(); waiting() < 20; time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%d wait", waiting())
		}
	}
	s.journal.mu.Lock()
	s.journal.writing = false
	s.journal.turn.Broadcast()
	s.journal.mu.Unlock()
	all.Wait()
	file, err := os.ReadFile(s.journal.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	_, records, _ := scan(file)
	length := int64(0)
	for i := range records {
		length += int64(records[i].length())
	}
	if len(records) != 20 || s.journal.tail != tail+padded(length) {
		t.Errorf("%d records of %d bytes took %d", len(records), length, s.journal.tail-tail)
	}
}

// Many write at once, over many batches and several generations, while messages
// are finished and changed; after a power cut all that are not finished are there.
func TestManyWriters(t *testing.T) {
	native.Require(t)
	dir := t.TempDir()
	s := open(t, dir)
	text := strings.Repeat("x", 40<<10)
	var all sync.WaitGroup
	for k := range 8 {
		all.Go(func() {
			for i := range 40 {
				id := fmt.Sprintf("message-%d-%d", k, i)
				err := commit(t, s, envelope(id), text)
				switch {
				case err != nil:
				case i%4 == 0:
					_, err = s.Update(id, func(e *Envelope) { e.Attempts = 7 })
				case i%4 == 1:
				default:
					err = s.Remove(id)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	crash(s, dir)
	s = open(t, dir)
	if n := len(s.All()); n != 8*20 {
		t.Errorf("%d messages are left", n)
	}
	for _, e := range s.All() {
		var k, i int
		if _, err := fmt.Sscanf(e.ID, "message-%d-%d", &k, &i); err != nil || (e.Attempts == 7) != (i%4 == 0) {
			t.Errorf("%s was tried %d times, %v", e.ID, e.Attempts, err)
		}
		if got := content(t, s, e.ID); got != "Head: x\r\n"+text {
			t.Errorf("%s has %d bytes", e.ID, len(got))
		}
	}
}
