package lab

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestStateRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), stateFile)
	want := state{ID: "x", Households: 3, BinDir: "/bin", BootID: "b", Ready: true,
		Builder: Process{Name: "up", PID: 7, Start: 9}, Processes: []Process{{Name: "a", Node: "net", PID: 1, Start: 2}}}
	for range 2 { // the second time over the first
		if err := writeState(path, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readState(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestLoad(t *testing.T) {
	base := t.TempDir()
	if _, err := Load(base, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("loading nothing: %v", err)
	}
	if _, err := Load(base, "../x"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("loading a path: %v", err)
	}
	if err := os.Mkdir(filepath.Join(base, "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "half", stateFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(base, "half"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("loading a state that was never written: %v", err)
	}
}

func TestMakeDirClaimsOnce(t *testing.T) {
	l := &Lab{plan: mustPlan(t, "x", 2), dir: filepath.Join(t.TempDir(), "x")}
	if err := l.makeDir(); err != nil {
		t.Fatal(err)
	}
	if err := l.makeDir(); !errors.Is(err, ErrExists) {
		t.Errorf("the second claim: %v", err)
	}
}
