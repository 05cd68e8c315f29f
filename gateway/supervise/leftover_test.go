package supervise

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
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

func TestEndLeftover(t *testing.T) {
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
			if err := EndLeftover(path, 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			select {
			case <-p.Done():
			case <-time.After(5 * time.Second):
				t.Error("the process lives")
			}
			if _, err := os.Stat(path); err == nil {
				t.Error("the record is still there")
			}
		})
	}
}

// A number that belongs to somebody else now is not touched.
func TestEndLeftoverSparesStrangers(t *testing.T) {
	p := sleeper(t, "sleep 60")
	for _, record := range []string{"", "x y\n", fmt.Sprintf("%d 1\n", p.PID()), "1 1\n", "999999999 5\n"} {
		path := filepath.Join(t.TempDir(), "pid")
		if err := os.WriteFile(path, []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := EndLeftover(path, time.Millisecond); err != nil {
			t.Errorf("record %q: %v", record, err)
		}
	}
	if err := EndLeftover(filepath.Join(t.TempDir(), "none"), time.Millisecond); err != nil {
		t.Error(err)
	}
	select {
	case <-p.Done():
		t.Error("a stranger was ended")
	default:
	}
}
