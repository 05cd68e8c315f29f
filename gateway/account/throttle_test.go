package account

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Of how many is counted has a bound, and the newest are among them.
func TestThrottleIsBounded(t *testing.T) {
	var l Throttle
	for i := range maxTries + 100 {
		l.Fail(fmt.Sprint("device", i))
	}
	for range MaxFailures {
		l.Fail("last")
	}
	if len(l.tries) != maxTries || l.Check("last") != ErrThrottled || l.Check("other") != nil {
		t.Errorf("%d are counted; %v", len(l.tries), l.Check("last"))
	}
}

// The device that has not logged in for longest is forgotten, not the one that
// came first; that is so after a restart too.
func TestKnownDevicesAreTheLatest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logins")
	enter := func(ids ...string) (all []string) {
		var l Throttle
		if err := l.Load(file); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if err := l.Enter("ann", id); err != nil {
				t.Fatal(err)
			}
		}
		return l.known["ann"]
	}
	ids := []string{"laptop"}
	for i := range maxKnown - 1 {
		ids = append(ids, fmt.Sprint("guest", i))
	}
	enter(ids...)
	enter("laptop")
	if all := enter("new"); len(all) != maxKnown || !slices.Contains(all, "laptop") || slices.Contains(all, "guest0") {
		t.Errorf("remembered are %v", all)
	}
}

// What is kept of logins is written for a device that was not the last, with a
// bound, for nobody else's eyes, and no user can empty it for the others.
func TestKnownDevicesAreFew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logins")
	var l Throttle
	if err := l.Load(file); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"laptop", "laptop"} {
		if err := l.Enter("ann", id); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for i := range 3 * maxKnown {
		if err := l.Enter("bob", fmt.Sprint("phone", i)); err != nil {
			t.Fatal(err)
		}
	}
	written, _ := os.Stat(file)
	if err := l.Enter("bob", fmt.Sprint("phone", 3*maxKnown-1)); err != nil {
		t.Fatal(err)
	}
	if again, err := os.Stat(file); err != nil || !os.SameFile(written, again) {
		t.Errorf("it is written for a device that it has: %v", err)
	}
	var later Throttle
	if err := later.Load(file); err != nil || !slices.Equal(later.known["ann"], []string{"laptop"}) || len(later.known["bob"]) != maxKnown {
		t.Errorf("%v, %v", later.known, err)
	}
	if err := os.WriteFile(file, []byte(`{"ann": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	var broken Throttle
	if err := broken.Load(file); err == nil || broken.Enter("ann", "laptop") != nil {
		t.Error("what cannot be read is not said, or is in the way")
	}
}
