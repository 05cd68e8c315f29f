package proc

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const before = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 "
	const rest = before + "1 18 4242 20 21"
	for _, c := range []struct {
		name, text string
		start      uint64
		ended, ok  bool
	}{
		{"plain", "7 (tor) S" + rest, 4242, false, true},
		{"parentheses and spaces in the name", "7 (a) Z (b) R" + rest, 4242, false, true},
		{"zombie", "7 (tor) Z" + rest, 4242, true, true},
		{"zombie whose threads are still ending", "7 (tor) Z" + before + "5 18 4242 20 21", 4242, false, true},
		{"cut", "7 (tor) S 1 2", 0, false, false},
		{"empty", "", 0, false, false},
		{"not a number", "7 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20", 0, false, false},
	} {
		s, err := parseStat([]byte(c.text))
		if (err == nil) != c.ok || s.Start != c.start || s.Ended() != c.ended {
			t.Errorf("%s: %+v, %v", c.name, s, err)
		}
		if c.ok && (s.Own != (11+12)*tick || s.Reaped != (13+14)*tick) {
			t.Errorf("%s: %v and %v of the processor", c.name, s.Own, s.Reaped)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (tor) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseStat(text) })
}

func TestThisProcess(t *testing.T) {
	pid := os.Getpid()
	before, err := ReadStat(pid)
	if err != nil || before.Threads < 1 || before.Start == 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	after := before
	for end := time.Now().Add(30 * time.Second); err == nil && after.Own <= before.Own && time.Now().Before(end); { // this is work
		after, err = ReadStat(pid)
	}
	if err != nil || after.Own <= before.Own || after.Start != before.Start {
		t.Errorf("before half a minute's work %+v, after it %+v, %v", before, after, err)
	}
	if pss := PSS(pid); pss < 1<<20 || pss > 1<<30 {
		t.Errorf("it has %d bytes", pss)
	}
	own := Own(pid)
	held, err := syscall.Mmap(-1, 0, 8<<20, syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(held)
	for i := range held {
		held[i] = 1
	}
	if more := Own(pid) - own; more < 7<<20 || more > 16<<20 {
		t.Errorf("with %d bytes more it has %d more", len(held), more)
	}
	if n := Number(pid, "status", "Pid"); n != int64(pid) {
		t.Errorf("its number is %d, not %d", n, pid)
	}
	if w, err := Word(pid, "status", "NoSuchKey"); w != "" || err != nil {
		t.Errorf("%q, %v", w, err)
	}
	files, err := Files(pid)
	if err != nil {
		t.Fatal(err)
	}
	one, err := os.Open("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if n, err := Files(pid); err != nil || n != files+1 {
		t.Errorf("%d files open, and %d with one more, %v", files, n, err)
	}
}

// A process that waits was woken before; one that has ended is dead also
// while nobody has waited for it.
func TestChild(t *testing.T) {
	c := exec.Command("sleep", "100")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := c.Process.Pid
	if !Alive(pid) {
		t.Error("it runs and counts as dead")
	}
	for end := time.Now().Add(30 * time.Second); Woken(pid) == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if Woken(pid) == 0 {
		t.Error("it was never woken")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); Alive(pid) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err != nil || Alive(pid) {
		t.Errorf("it has ended, nobody has waited for it, and it counts as alive (%v)", err)
	}
	_ = c.Wait() // killed
	if Alive(pid) || Alive(0) || PSS(pid) != 0 {
		t.Error("it is gone and counts as alive")
	}
	if _, err := Word(pid, "status", "Pid"); err == nil {
		t.Error("nothing was read, and that is no error")
	}
}
