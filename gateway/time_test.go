package gateway

import (
	"os"
	"slices"
	"testing"
	"time"

	"tunic/gateway/relaytime"
)

// Devices are told the time only while kernel and tor agree that it is right.
func TestClockTrust(t *testing.T) {
	h := newHouse(t, map[string]string{"tunic.toml": "[household]\ninterfaces = [\"br-lan\"]\n"})
	for _, c := range []struct {
		synchronised bool
		skew         time.Duration
		trusted      bool
	}{{true, 0, true}, {false, 0, false}, {true, time.Hour, false}, {true, 0, true}} {
		h.set(func() { h.facts.ClockSynchronised, h.status.ClockSkew = c.synchronised, c.skew })
		h.pass(t.Context())
		if got := h.served.NTP.Trusted; got != c.trusted || got == slices.Contains(h.codes(t), "clock-untrusted") {
			t.Errorf("%+v: trusted %v, findings %v", c, got, h.codes(t))
		}
	}
	h.set(func() { h.facts.ClockSynchronised = false })
	if err := (relaytime.Note{Start: time.Now(), Count: 5, Asked: 9}).Write(h.Paths.Clock()); err != nil {
		t.Fatal(err)
	}
	if h.pass(t.Context()); !h.served.NTP.Trusted || slices.Contains(h.codes(t), "clock-untrusted") {
		t.Errorf("relays have told the time: %v", h.codes(t))
	}
}

// Nothing is signed before the time is known: by an NTP client, by relays, or by
// tor, which has built a circuit.
func TestNoCertificateWithoutAClock(t *testing.T) {
	for name, know := range map[string]func(h *house){
		"the kernel": func(h *house) { h.set(func() { h.facts.ClockSynchronised = true }) },
		"tor":        func(h *house) { h.set(func() { h.status.Circuits = true }) },
		"relays": func(h *house) {
			if err := (relaytime.Note{Start: time.Now(), Count: 5, Asked: 9}).Write(h.Paths.Clock()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		h := newHouse(t, nil)
		h.set(func() { h.status.Circuits = false })
		h.pass(t.Context())
		if h.served.TLS != nil || slices.Contains(h.codes(t), "certificate-failed") || !slices.Contains(h.codes(t), "clock-untrusted") {
			t.Errorf("%s: a certificate without a clock; %v", name, h.codes(t))
		}
		if _, err := os.Stat(h.Paths.CA()); err == nil {
			t.Errorf("%s: an authority without a clock", name)
		}
		know(h)
		if h.pass(t.Context()); h.served.TLS == nil {
			t.Errorf("%s knows the time, and there is no certificate: %v", name, h.codes(t))
		}
	}
}
