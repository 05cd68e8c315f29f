package lab

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

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
