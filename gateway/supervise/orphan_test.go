package supervise

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tunic/internal/proc"
)

func sleeper(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start(Command{Name: "sleeper", Path: "sh", Args: []string{"-c", script}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(t.Context(), time.Millisecond) })
	return p
}

func TestEndOrphan(t *testing.T) {
	for name, script := range map[string]string{
		"ends when asked": "sleep 60",
		"must be killed":  "trap '' TERM; while :; do sleep 1; done",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pid")
			p := sleeper(t, script)
			if err := p.Record(path); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond) // for the trap
			if err := EndOrphan(path, 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			select {
			case <-p.Done():
			case <-time.After(30 * time.Second):
				t.Error("the process lives")
			}
			if _, err := os.Stat(path); err == nil {
				t.Error("the record is still there")
			}
		})
	}
}

// What the process has started, and what does not end with it, ends too.
func TestEndOrphanGroup(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pid")
	p := sleeper(t, "sleep 61 & echo $! > "+dir+"/child; trap 'exit 0' TERM; while :; do sleep 0.1; done")
	if err := p.Record(path); err != nil {
		t.Fatal(err)
	}
	var child int
	for limit := time.Now().Add(30 * time.Second); child == 0; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(dir + "/child")
		if fmt.Sscan(string(text), &child); time.Now().After(limit) {
			t.Fatal("the child did not start")
		}
	}
	if g := openGroup(p.PID()); len(g) == 0 {
		t.Error("the group is not found")
	}
	if err := EndOrphan(path, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(30 * time.Second); proc.Alive(child); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the child lives")
		}
	}
}

// A number that belongs to somebody else now is not touched.
func TestEndOrphanSparesStrangers(t *testing.T) {
	p := sleeper(t, "sleep 60")
	for _, record := range []string{"", "x y\n", fmt.Sprintf("%d 1\n", p.PID()), "1 1\n", "999999999 5\n"} {
		path := filepath.Join(t.TempDir(), "pid")
		if err := os.WriteFile(path, []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := EndOrphan(path, time.Millisecond); err != nil {
			t.Errorf("record %q: %v", record, err)
		}
	}
	if err := EndOrphan(filepath.Join(t.TempDir(), "none"), time.Millisecond); err != nil {
		t.Error(err)
	}
	select {
	case <-p.Done():
		t.Error("a stranger was ended")
	default:
	}
}
