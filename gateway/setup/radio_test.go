package setup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/accesspoint"
	"tunic/gateway/feature"
)

func typed(screen *bytes.Buffer, text string) *Asker {
	in := bufio.NewReader(strings.NewReader(text))
	return &Asker{Out: screen, Line: func(context.Context) (string, error) {
		line, err := in.ReadString('\n')
		return strings.TrimSuffix(line, "\n"), err
	}}
}

func TestRadio(t *testing.T) {
	generate := func() string { return "abcd-efgh-jkmn-pqrs" }
	box := with(router(), func(b *Box) {
		b.Links = append(b.Links, feature.Link{Name: "wlan1", Up: true, Default: true})
		b.Wireless = append(b.Wireless, "wlan1")
	})
	var screen bytes.Buffer
	r, err := typed(&screen, "wlan1\n\n\nde\nhome\nshort\n\n").Radio(t.Context(), box, generate)
	want := accesspoint.Radio{Interface: "wlan0", Country: "DE", SSID: "home", Password: generate(),
		Network: prefixes("192.168.87.1/24")[0]}
	if err != nil || r != want {
		t.Errorf("%+v, %v\n%s", r, err, screen.String())
	}
	if strings.Contains(screen.String(), "[]") || strings.Contains(screen.String(), "[DE]") {
		t.Errorf("there is a country by default:\n%s", screen.String())
	}
	if _, err := typed(&screen, "\n\n\n\nhome\n\n").Radio(t.Context(), box, generate); !errors.Is(err, ErrGiveUp) {
		t.Errorf("without a country: %v", err)
	}
	box.Links, box.Wireless = append(box.Links, feature.Link{Name: "wlan-ap"}), append(box.Wireless, "wlan-ap")
	if r, err := typed(&screen, "wlan-ap\nwlan-ap\nwlan-ap\n").Radio(t.Context(), box, generate); !errors.Is(err, ErrGiveUp) {
		t.Errorf("hostapd's unit would wait for a device /sys/subsystem/net/devices/wlan/ap: %+v, %v", r, err)
	}
	box.Wireless = []string{"wlan1"}
	if _, err := typed(&screen, "").Radio(t.Context(), box, generate); !errors.Is(err, ErrNoRadio) {
		t.Errorf("the only radio leads to the internet: %v", err)
	}
}

// What Put makes is whole or not there, and Undo takes it away.
func TestPut(t *testing.T) {
	units := []string{"hostapd@wlan0.service", accesspoint.DHCP}
	for n := 0; n < 10; n++ {
		f := newFake("tunic.service")
		i, _, dir := newInstaller(t, f)
		i.Changed = func(ctx context.Context) error { return f.call(ctx, "changed") }
		before, were := files(t, dir), f.moved()
		f.failAt = n
		err := i.Put(t.Context(), []File{{Path: filepath.Join(dir, "hostapd", "wlan0.conf"), Text: []byte("secret"), Mode: 0o600}}, units)
		if err == nil {
			if f.units[units[1]] != (Unit{units[1], true, true}) || len(files(t, dir)) != len(before)+1 {
				t.Errorf("%q: %v", f.calls, f.units)
			}
			if err := i.Put(t.Context(), nil, nil); !errors.Is(err, ErrMade) {
				t.Errorf("twice: %v", err)
			}
			f.failAt = 0
			if _, err := i.Undo(t.Context(), false); err != nil {
				t.Error(err)
			}
		}
		if !maps.Equal(before, files(t, dir)) || !maps.Equal(were, f.moved()) || f.open {
			t.Errorf("%d: %q: %v, %v", n, f.calls, files(t, dir), f.moved())
		}
	}
}
