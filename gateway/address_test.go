package gateway

import (
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/feature/onions"
)

// A visitor is told the earlier addresses that still work, with and without a
// daemon.
func TestForVisitors(t *testing.T) {
	h := newHouse(t, map[string]string{"onions/photos.toml": photos})
	h.running(t)
	old := h.snapshot().in.Addresses["photos"]
	o, err := h.onions.Rotate(t.Context(), api.RotateRequest{Name: "photos", Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	v, err := onions.ForVisitors(h.Paths, "photos", h.snapshot().in.Addresses["photos"])
	if err != nil || v.Address != o.Address || !v.Published || v.Private || len(v.Old) != 1 || v.Old[0].Address != old.Host() {
		t.Errorf("photos: %+v, %v", v, err)
	}
	if len(v.Ports) != 1 || v.Ports[0].Visit != "http://"+o.Address+"/" {
		t.Errorf("ports: %+v", v.Ports)
	}
	if v, err := onions.ForVisitors(h.Paths, "home", h.snapshot().in.Addresses["home"]); err != nil || v.Published || len(v.Old) != 0 {
		t.Errorf("home: %+v, %v", v, err)
	}
	if v, err := onions.ForVisitors(h.Paths, "kept", old); err != nil || v.Published || v.Address != old.Host() {
		t.Errorf("an onion without a file: %+v, %v", v, err)
	}
}
