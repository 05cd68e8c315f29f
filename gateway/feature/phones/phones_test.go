package phones

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

var annphone = config.Phone{Name: "annphone", User: "ann"}

// A phone whose user is none, also because no account can be read, is not among those
// that are let in; what is written stays as it is.
func TestPhoneOfNobodyIsShutOut(t *testing.T) {
	p := config.NewPaths(t.TempDir())
	f := New(struct{ feature.Host }{}, Parts{Paths: p, Log: slog.New(slog.DiscardHandler)})
	written := &config.Config{Phones: []config.Phone{annphone}}
	if c := f.Amend(written); len(c.Phones) != 0 || len(written.Phones) != 1 {
		t.Errorf("let in: %v, written: %v", c.Phones, written.Phones)
	}
}

// The finding of a phone that reaches nothing names the reason.
func TestReasonOfAPhoneShutOut(t *testing.T) {
	written := &config.Config{Phones: []config.Phone{annphone}}
	for reason, now := range map[string]*config.Config{
		"there is no user called ann":                  {},
		"the box has neither mail nor chat of its own": written,
	} {
		s, r := feature.Scene{Config: now, Written: written}, feature.Report{}
		findShutOut(&s, &r)
		if len(r.Findings) != 1 || r.Findings[0].Code != health.PhoneShutOut || !strings.Contains(r.Findings[0].Text, reason) {
			t.Errorf("want %q: %+v", reason, r.Findings)
		}
	}
}

// A phone's onion, and each that it had before, is the box itself to devices of the house.
func TestPhoneAtHome(t *testing.T) {
	now, former := onion.FromPublicKey(make([]byte, 32)), onion.FromPublicKey(bytes.Repeat([]byte{1}, 32))
	name := annphone.Onion()
	s := feature.Scene{Config: &config.Config{Phones: []config.Phone{annphone, {Name: "new"}}},
		Addresses: map[string]onion.Address{name: now},
		Former:    map[string][]onion.Address{name: {former}}}
	var d feature.Desired
	wantNames(s, &d)
	want := []link.Name{{Onion: link.Key(peer.KeyOf(former)), Box: true}, {Onion: link.Key(peer.KeyOf(now)), Box: true}}
	if !reflect.DeepEqual(d.Serve.DNS.Names, want) {
		t.Errorf("%+v, not %+v", d.Serve.DNS.Names, want)
	}
}
