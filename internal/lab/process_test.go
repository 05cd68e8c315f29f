package lab

import (
	"context"
	"os"
	"os/exec"
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
		stat, err := parseStat([]byte(c.text))
		if (err == nil) != c.ok || stat.start != c.start || (err == nil && stat.ended() != c.ended) {
			t.Errorf("%s: %+v, %v", c.name, stat, err)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (tor) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseStat(text) })
}

// A process that got the id of one that has ended is not ours to end.
func TestReusedIDIsNotAlive(t *testing.T) {
	self, ok := findProcess(os.Getpid())
	if !ok || !self.Alive() {
		t.Fatalf("this process is not alive: %+v", self)
	}
	self.Start++
	if self.Alive() {
		t.Error("a process with another start time counts as alive")
	}
	if err := end(t.Context(), []Process{self}, 0); err != nil {
		t.Errorf("ending it: %v", err) // and this test still runs
	}
}

func TestEndKillsWhatIgnoresTerm(t *testing.T) {
	cmd := exec.Command("sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 3)); err != nil { // the trap is set
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	p, ok := findProcess(cmd.Process.Pid)
	if !ok {
		t.Fatal("it has ended by itself")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := end(ctx, []Process{p}, 100*time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := <-waited; err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended with %v, want signal: killed", err)
	}
}
