package desire

import (
	"context"
	"reflect"
	"testing"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/tor"
	"tunic/rules"
)

// asker wants serve to have a way to a port that it has found.
type asker struct {
	wanted *int // how often
	port   uint16
	other  bool // another function
}

func (asker) Name() string { return "asker" }

func (a asker) Look(context.Context, *feature.Scene, *feature.Report) feature.Wish {
	if a.other {
		return feature.Want(wantNothing, a)
	}
	return feature.Want(wantPort, a)
}

func wantPort(s feature.Scene, d *feature.Desired, a asker) {
	*a.wanted++
	d.May(s.Serve, feature.OnLoopback(rules.ProtocolTCP, a.port))
	if !s.Certain.IsZero() || s.TorNow.Bootstrap != 0 {
		d.Tor.DataDir = "it sees what differs in each pass"
	}
}

func wantNothing(_ feature.Scene, _ *feature.Desired, a asker) { *a.wanted++ }

// What is wanted is computed again when anything differs that it depends on, and only then.
func TestKept(t *testing.T) {
	n := 0
	in := inputs()
	look := func(a asker) {
		a.wanted = &n
		in.Look(t.Context(), []feature.Feature{a}, new(feature.Report))
	}
	look(asker{port: 1})
	var k Kept
	first := k.State(in)
	if n != 1 || first.Tor.DataDir != in.Paths.TorData() {
		t.Fatalf("wanted %d times, %+v", n, first.Tor)
	}
	for what, change := range map[string]func(){
		"nothing":             func() {},
		"found again":         func() { look(asker{port: 1}) },
		"the time":            func() { in.Certain = in.Certain.Add(time.Second) },
		"tor's progress":      func() { in.TorNow = tor.Status{Bootstrap: 50} },
		"an equal value":      func() { c := *in.Config; in.Config = &c },
		"what serve has said": func() { in.Brief = true },
	} {
		if change(); len(k.State(in).Rules.Children) != len(first.Rules.Children) || n != 1 {
			t.Errorf("%s: it was computed again", what)
		}
	}
	for what, change := range map[string]func(){
		"found another": func() { look(asker{port: 2}) },
		"another wish":  func() { look(asker{port: 2, other: true}) },
		"the mode":      func() { in.Mode = rules.Lockdown },
		"a full device": func() { in.TorNow.Full = []string{"02:00:00:00:00:01"} },
		"the configuration": func() {
			c := *in.Config
			c.Household.DefaultPolicy = config.PolicyBlock
			in.Config = &c
		},
		"facts":  func() { in.Facts.IPv6 = !in.Facts.IPv6 },
		"nobody": func() { in.Wishes = nil },
	} {
		k.State(in)
		if change(); same(k.from, in) {
			t.Errorf("%s: it is not computed again", what)
		}
		if now, fresh := k.State(in), State(in); !reflect.DeepEqual(now, fresh) {
			t.Errorf("%s: %v, not %v", what, now, fresh)
		}
	}
}
