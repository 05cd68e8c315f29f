package tor

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"tunic/gateway/supervise"
)

// What an heir is handed survives the way to it.
func TestHandedIsWhole(t *testing.T) {
	spec := fullSpec()
	spec.Onions[0].Clients = nil
	raw, err := json.Marshal(Handed{Spec: spec, Version: Version{0, 4, 9, 14}, Has: []string{"/a"}})
	if err != nil {
		t.Fatal(err)
	}
	var h Handed
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	if !h.Spec.Equal(spec) || h.Version != (Version{0, 4, 9, 14}) || len(h.Has) != 1 {
		t.Errorf("%+v came of it", h)
	}
}

// Onions that are out are out for the heir, and what it hears later counts.
func TestTrackerIsHandedOn(t *testing.T) {
	o := Onion{Name: "home", Address: "a"}
	old := &tracker{changed: func() {}, told: func() {}}
	old.started(7, Version{0, 4, 9, 14}, []Onion{o, {Name: "late", Address: "b"}})
	for _, line := range []string{"STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"",
		"HS_DESC UPLOAD a UNKNOWN $D1 X HSDIR_INDEX=1", "HS_DESC UPLOADED a UNKNOWN $D1",
		"HS_DESC UPLOAD a UNKNOWN $D2 Y HSDIR_INDEX=1", "HS_DESC UPLOADED a UNKNOWN $D2"} {
		old.event(line)
	}
	h := Handed{Spec: Spec{Onions: []Onion{o, {Name: "late", Address: "b"}}}, Status: old.snapshot(),
		Process: supervise.Handed{PID: 7}}
	old.hand(&h)
	raw, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var got Handed
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	heir := New(Options{Log: slog.New(slog.DiscardHandler)})
	heir.tracker.adopt(got)
	s := heir.Status()
	if s.PID != 7 || s.Bootstrap != 100 || !s.Onions["a"].Out || s.Onions["a"].Directories != 2 || s.Onions["b"].Out || s.Running {
		t.Errorf("%+v", s)
	}
	heir.tracker.event("HS_DESC UPLOADED b UNKNOWN $D3")
	if d := heir.Status().Onions["b"]; d.Uploads != 1 || time.Since(d.At) > time.Minute {
		t.Errorf("%+v", d)
	}
}
