package household

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

func keep(t *testing.T) temporaries { return newTemporaries(config.Paths{State: t.TempDir()}) }

func TestTemporaryIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := keep(t)
		tv := policyForAWhile{MAC: "02:00:00:00:00:01", Policy: config.PolicyDirect, Span: feature.NewSpan(time.Now(), time.Hour)}
		err := a.change(func(all *temporary) {
			all.setPolicy(tv)
			all.setPortal(openPortal{MAC: tv.MAC, Span: feature.NewSpan(time.Now(), time.Minute)})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Until(a.next()); got <= 58*time.Second || got > time.Minute {
			t.Errorf("the loop looks again in %v", got)
		}
		b := newTemporaries(config.Paths{State: filepath.Dir(a.Path())})
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
	a := newTemporaries(config.Paths{State: filepath.Join(t.TempDir(), "gone")})
	err := a.change(func(all *temporary) {
		all.setPolicy(policyForAWhile{MAC: "x", Span: feature.NewSpan(time.Now(), time.Hour)})
	})
	if err == nil || len(a.current().Policies) != 0 {
		t.Errorf("in force although it is not kept: %v", err)
	}
}

func TestTemporaryFileThatIsBroken(t *testing.T) {
	a := keep(t)
	if err := a.load(); err != nil {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(a.Path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.load(); err == nil || len(a.current().Policies) != 0 {
		t.Errorf("half a file: %v", err)
	}
	if err := a.change(func(*temporary) {}); err != nil {
		t.Errorf("it cannot be written again: %v", err)
	}
}

func TestEffective(t *testing.T) {
	c := &config.Config{Devices: []config.Device{{Name: "tv", MAC: "02:00:00:00:00:01", Policy: config.PolicyTor}}}
	c.Household.Interfaces = []string{"eth1"}
	was := *c
	was.Devices, was.Household.Interfaces = slices.Clone(c.Devices), slices.Clone(c.Household.Interfaces)
	span := feature.NewSpan(time.Now(), time.Hour)
	e := effective(c, temporary{
		Policies: []policyForAWhile{{"02:00:00:00:00:01", config.PolicyDirect, span}, {"02:00:00:00:00:02", config.PolicyBlock, span}},
		probes:   []probeInterface{{"probe0", span}, {"eth1", span}},
	})
	want := []config.Device{{Name: "tv", MAC: "02:00:00:00:00:01", Policy: config.PolicyDirect},
		{MAC: "02:00:00:00:00:02", Policy: config.PolicyBlock}}
	if !slices.Equal(e.Devices, want) || !slices.Equal(e.Household.Interfaces, []string{"eth1", "probe0"}) {
		t.Errorf("%+v", e)
	}
	if !reflect.DeepEqual(*c, was) {
		t.Errorf("the configuration itself changed: %+v", c)
	}
}
