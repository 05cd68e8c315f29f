package api

import (
	"context"
	"reflect"
	"testing"
	"time"
)

func (f *fake) Devices(context.Context) ([]Device, error) {
	return []Device{{Name: "tv", MAC: "02:00:00:00:00:01"}}, f.err
}

func (f *fake) SetDevice(_ context.Context, r DeviceRequest) (Device, error) {
	f.asked = append(f.asked, r)
	return Device{Name: r.Device, Policy: r.Policy}, f.err
}

func (f *fake) Portal(_ context.Context, r PortalRequest) (Portal, error) {
	f.asked = append(f.asked, r)
	return Portal{Name: r.Device}, f.err
}

func (f *fake) NewNym(_ context.Context, r NewNymRequest) (NewNym, error) {
	f.asked = append(f.asked, r)
	return NewNym{Circuits: 2}, f.err
}

func (f *fake) Why(_ context.Context, r WhyRequest) (Why, error) {
	f.asked = append(f.asked, r)
	return Why{End: "passed"}, f.err
}

func (f *fake) Try(_ context.Context, r TryRequest) (Try, error) {
	f.asked = append(f.asked, r)
	return Try{URL: r.URL, Opens: true}, f.err
}

func (f *fake) Probe(_ context.Context, r ProbeRequest) error {
	f.asked = append(f.asked, r)
	return f.err
}

func TestDeviceVerbsGoThrough(t *testing.T) {
	f := &fake{}
	c, ctx := client(t, f), t.Context()
	if list, err := c.Devices(ctx); err != nil || len(list) != 1 || list[0].Name != "tv" {
		t.Errorf("Devices: %+v, %v", list, err)
	}
	device := DeviceRequest{Device: "tv", Policy: "direct", For: 2 * time.Hour}
	if d, err := c.SetDevice(ctx, device); err != nil || d.Policy != "direct" {
		t.Errorf("SetDevice: %+v, %v", d, err)
	}
	portal := PortalRequest{Device: "tv", To: []string{"10.0.0.0/24"}}
	if p, err := c.Portal(ctx, portal); err != nil || p.Name != "tv" {
		t.Errorf("Portal: %+v, %v", p, err)
	}
	if n, err := c.NewNym(ctx, NewNymRequest{}); err != nil || n.Circuits != 2 {
		t.Errorf("NewNym: %+v, %v", n, err)
	}
	why := WhyRequest{Own: true, To: "192.0.2.1", Protocol: "tcp"}
	if w, err := c.Why(ctx, why); err != nil || w.End != "passed" {
		t.Errorf("Why: %+v, %v", w, err)
	}
	try := TryRequest{URL: "https://bank.example/", Device: "tv"}
	if a, err := c.Try(ctx, try); err != nil || !a.Opens || a.URL != try.URL {
		t.Errorf("Try: %+v, %v", a, err)
	}
	probe := ProbeRequest{Interface: "tunic-probe0", For: time.Minute}
	if err := c.Probe(ctx, probe); err != nil {
		t.Error(err)
	}
	if want := []any{device, portal, NewNymRequest{}, why, try, probe}; !reflect.DeepEqual(f.asked, want) {
		t.Errorf("asked %v", f.asked)
	}
	f.err = &Failure{Problem{Error: "no device", Usage: true}}
	if _, err := c.Why(ctx, why); err == nil || err.Error() != "no device" {
		t.Errorf("a failure: %v", err)
	}
}
