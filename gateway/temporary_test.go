package gateway

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/config"
)

func TestSpanEndsEarlyRatherThanLate(t *testing.T) {
	start := time.Now()
	s := newSpan(start, 2*time.Hour)
	kept := Span{Since: s.Since, Until: s.Until} // as after a restart
	kept.resume(start.Add(time.Hour))
	wall := func(d time.Duration) time.Time { return start.Round(0).Add(d) } // a clock that was set: no kernel's reading
	cases := []struct {
		name string
		s    Span
		now  time.Time
		want bool
	}{
		{"at once", s, start, false},
		{"in the middle", s, start.Add(time.Hour), false},
		{"at the end", s, start.Add(2 * time.Hour), true},
		{"clock set forward", s, wall(3 * time.Hour), true},
		{"clock set back a little", s, wall(-10 * time.Second), false},
		{"clock set back a day", s, wall(-24 * time.Hour), true},
		{"restarted, before the end", kept, start.Add(119 * time.Minute), false},
		{"restarted, at the end", kept, start.Add(2 * time.Hour), true},
		{"restarted without a clock", kept, time.Unix(3600, 0), true},
	}
	for _, c := range cases {
		if got := c.s.over(c.now); got != c.want {
			t.Errorf("%s: over %v", c.name, got)
		}
	}
}

// The clock that was set back does not make it longer: the kernel's goes on.
func TestSpanWithClockSetBack(t *testing.T) {
	start := time.Now()
	s := newSpan(start, time.Hour)
	s.Since, s.Until = s.Since.Add(30*time.Minute), s.Until.Add(30*time.Minute) // what a clock set back by half an hour makes of it
	if s.over(start.Add(59*time.Minute)) || !s.over(start.Add(time.Hour)) {
		t.Error("the end is not where it was")
	}
}

func newTemporaries(t *testing.T) *temporaries {
	return &temporaries{path: filepath.Join(t.TempDir(), "temporary.json"), now: time.Now}
}

func TestTemporaryIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTemporaries(t)
		tv := TemporaryPolicy{MAC: "02:00:00:00:00:01", Policy: config.PolicyDirect, Span: newSpan(time.Now(), time.Hour)}
		err := a.change(func(all *Temporary) {
			all.setPolicy(tv)
			all.setPortal(OpenPortal{MAC: tv.MAC, Span: newSpan(time.Now(), time.Minute)})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.sooner(5 * time.Minute); got <= 58*time.Second || got > time.Minute {
			t.Errorf("the loop waits %v", got)
		}
		b := &temporaries{path: a.path, now: time.Now}
		if err := b.load(); err != nil {
			t.Fatal(err)
		}
		if got := b.current(); len(got.Policies) != 1 || len(got.Portals) != 1 || !got.Policies[0].Until.Equal(tv.Until) {
			t.Errorf("after a restart: %+v", got)
		}
		time.Sleep(time.Minute)
		if got := b.current(); len(got.Policies) != 1 || len(got.Portals) != 0 {
			t.Errorf("a minute later: %+v", got)
		}
		time.Sleep(time.Hour)
		if got := b.current(); len(got.Policies) != 0 {
			t.Errorf("an hour later: %+v", got)
		}
	})
}

func TestTemporaryThatCannotBeKept(t *testing.T) {
	a := &temporaries{path: filepath.Join(t.TempDir(), "gone", "temporary.json"), now: time.Now}
	err := a.change(func(all *Temporary) { all.setPolicy(TemporaryPolicy{MAC: "x", Span: newSpan(time.Now(), time.Hour)}) })
	if err == nil || len(a.current().Policies) != 0 {
		t.Errorf("in force although it is not kept: %v", err)
	}
}

func TestTemporaryFileThatIsBroken(t *testing.T) {
	a := newTemporaries(t)
	if err := a.load(); err != nil {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(a.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.load(); err == nil || len(a.current().Policies) != 0 {
		t.Errorf("half a file: %v", err)
	}
	if err := a.change(func(*Temporary) {}); err != nil {
		t.Errorf("it cannot be written again: %v", err)
	}
}

func TestEffective(t *testing.T) {
	c := &config.Config{Devices: []config.Device{{Name: "tv", MAC: "02:00:00:00:00:01", Policy: config.PolicyTor}}}
	c.Household.Interfaces = []string{"eth1"}
	was := *c
	was.Devices, was.Household.Interfaces = slices.Clone(c.Devices), slices.Clone(c.Household.Interfaces)
	span := newSpan(time.Now(), time.Hour)
	e := effective(c, Temporary{
		Policies: []TemporaryPolicy{{"02:00:00:00:00:01", config.PolicyDirect, span}, {"02:00:00:00:00:02", config.PolicyBlock, span}},
		probes:   []probeInterface{{"probe0", span}, {"eth1", span}},
	})
	want := []config.Device{{Name: "tv", MAC: "02:00:00:00:00:01", Policy: config.PolicyDirect}, {MAC: "02:00:00:00:00:02", Policy: config.PolicyBlock}}
	if !slices.Equal(e.Devices, want) || !slices.Equal(e.Household.Interfaces, []string{"eth1", "probe0"}) {
		t.Errorf("%+v", e)
	}
	if !reflect.DeepEqual(*c, was) {
		t.Errorf("the configuration itself changed: %+v", c)
	}
}
