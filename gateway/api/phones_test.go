package api

import (
	"context"
	"reflect"
	"testing"
)

func (f *fake) AddPhone(_ context.Context, r PhoneRequest) (Phone, error) {
	return Phone{Name: r.Name, User: r.User, Onion: "away-" + r.Name, Ports: []uint16{993}}, nil
}

func (f *fake) RemovePhone(context.Context, PhoneName) error { return nil }

// What is asked arrives, and what is answered comes back.
func TestPhoneRequests(t *testing.T) {
	c := client(t, &fake{})
	got, err := c.AddPhone(t.Context(), PhoneRequest{Name: "x", User: "ann", Key: "K"})
	if want := (Phone{Name: "x", User: "ann", Onion: "away-x", Ports: []uint16{993}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.RemovePhone(t.Context(), PhoneName{Name: "x"}); err != nil {
		t.Error(err)
	}
}
