package relaytime

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAsk(t *testing.T) {
	r := newRelay(t)
	answers, errs := r.asker(anHour).Ask(t.Context(), []Relay{named("one", r.id)})
	if len(errs) > 0 || len(answers) != 1 {
		t.Fatalf("%v, %v", answers, errs)
	}
	if want := told.Add(time.Second/2 - time.Hour); !answers[0].Start.Equal(want) || answers[0].Error != time.Second/2 {
		t.Errorf("started at %s ± %s, want %s", answers[0].Start, answers[0].Error, want)
	}
}

// An answer that was long on its way is less exact, and one that an observer
// held back says nothing.
func TestSlowAnswer(t *testing.T) {
	r, boot := newRelay(t), time.Hour
	r.slow = func() { boot += 4 * time.Second }
	answers, errs := r.asker(func() time.Duration { return boot }).Ask(t.Context(), []Relay{named("one", r.id)})
	if len(errs) > 0 || answers[0].Error != 2500*time.Millisecond || !answers[0].Start.Equal(told.Add(-time.Hour-1500*time.Millisecond)) {
		t.Errorf("%+v, %v", answers, errs)
	}
	r.slow = func() { boot += maxTrip + 1 }
	if answers, errs = r.asker(func() time.Duration { return boot }).Ask(t.Context(), []Relay{named("one", r.id)}); len(answers) > 0 ||
		len(errs) != 1 {
		t.Errorf("%+v, %v", answers, errs)
	}
}

// Who is not the relay that was asked is not believed, whatever the lie.
func TestImpostors(t *testing.T) {
	other := newRelay(t)
	flip := func(b []byte, i int) []byte {
		b = bytes.Clone(b)
		b[(i+len(b))%len(b)] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		spoil func(r *relay)
		want  string
	}{
		"another relay":          {func(r *relay) { *r = *other }, "not the relay that was asked"},
		"a relay's certificates": {func(r *relay) { r.link = other.link }, "of another link"},
		"another's link":         {func(r *relay) { r.link, r.tls = other.link, other.tls }, "kind 5 is not signed"},
		"another's Ed25519 identity": {func(r *relay) { r.link, r.tls, r.signing = other.link, other.tls, other.signing },
			"kind 4 is not signed"},
		"another's cross-certificate": {func(r *relay) { r.cross = other.cross }, "not signed by its identity"},
		"a cross-certificate changed": {func(r *relay) { r.cross = flip(r.cross, 3) }, "not signed by its identity"},
		"no cross-certificate":        {func(r *relay) { r.cross = nil }, "cross-certificate is cut short"},
		"a longer signature":          {func(r *relay) { r.cross = append(bytes.Clone(r.cross), 0) }, "cross-certificate is cut short"},
		"a signing key changed":       {func(r *relay) { r.signing = flip(r.signing, 10) }, "kind 4 is not signed"},
		"the end changed":             {func(r *relay) { r.tls = flip(r.tls, 5) }, "kind 5 is not signed"},
		"one kind for the other":      {func(r *relay) { r.tls = r.signing }, "no certificate of the kind 5"},
		"a short certificate":         {func(r *relay) { r.signing = r.signing[:60] }, "no certificate of the kind 4"},
		"no identity":                 {func(r *relay) { r.rsaID = []byte{1} }, "identity cannot be read"},
		"the time first": {func(r *relay) { r.cells = func(r *relay) []byte { return append(r.netinfo(), r.hello()...) } },
			"before it said who it is"},
		"no time": {func(r *relay) { r.cells = func(r *relay) []byte { return bytes.Repeat(variable(128, nil), 99) } }, "in 16 cells"},
		"nothing": {func(r *relay) { r.cells = func(r *relay) []byte { return nil } }, "EOF"},
		"certificates cut short": {func(r *relay) {
			r.cells = func(r *relay) []byte { return append(variable(cellCerts, r.certs()[:99]), r.netinfo()...) }
		}, "certificates are cut short"},
		"a kind twice": {func(r *relay) {
			r.cells = func(r *relay) []byte {
				return append(variable(cellCerts, []byte{2, 9, 0, 1, 5, 9, 0, 1, 5}), r.netinfo()...)
			}
		}, "two certificates of the kind 9"},
		"a time after its own end": {func(r *relay) { r.told = until }, "certificates were over"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t)
			id := r.id
			c.spoil(r)
			answers, errs := r.asker(anHour).Ask(t.Context(), []Relay{named("one", id)})
			if len(answers) > 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) ||
				!strings.Contains(errs[0].Error(), "asking one") {
				t.Errorf("%v, %v", answers, errs)
			}
		})
	}
}

// A relay whose first address does not answer is asked at the next.
func TestNextAddress(t *testing.T) {
	r := newRelay(t)
	asked := named("one", r.id)
	asked.Addrs = append(asked.Addrs, netip.MustParseAddrPort("[2001:db8::1]:443"))
	a := Asker{Boot: anHour, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "192") {
			return nil, errors.New("no route to host")
		}
		return r.dial(ctx, network, addr)
	}}
	if answers, errs := a.Ask(t.Context(), []Relay{asked}); len(answers) != 1 {
		t.Errorf("%v", errs)
	}
	asked.Addrs = asked.Addrs[:1]
	if _, errs := a.Ask(t.Context(), []Relay{asked, {Name: "two"}}); len(errs) != 2 ||
		!strings.Contains(errors.Join(errs...).Error(), "no route") {
		t.Errorf("%v", errs)
	}
}

// The question ends with its context, also where nobody answers.
func TestAskEnds(t *testing.T) {
	r := newRelay(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.slow = func() { cancel(); <-t.Context().Done() }
	done := make(chan []error)
	go func() {
		_, errs := r.asker(anHour).Ask(ctx, []Relay{named("one", r.id)})
		done <- errs
	}()
	select {
	case errs := <-done:
		if len(errs) != 1 {
			t.Errorf("%v", errs)
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits for ever")
	}
}

func FuzzHello(f *testing.F) {
	r := newRelay(f)
	f.Add(append(bytes.Clone(versions), r.hello()...))
	f.Add(variable(cellCerts, []byte{1, 4, 0, 1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		certs, _, err := readHello(bytes.NewReader(b))
		if err == nil {
			_, _ = prove(certs, r.id, nil)
		}
	})
}
