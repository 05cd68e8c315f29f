package serve

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/endpoint/mux"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// Serve says of the server of a service whether it takes connections, and looks at
// nothing that is not offered.
func TestLookAtService(t *testing.T) {
	s, _, own := takesFiles(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	s.set(append(own, link.OwnService{Name: "share", Target: link.Port{Addr: addr}},
		link.OwnService{Name: "socket", Target: link.Port{Unix: filepath.Join(t.TempDir(), "none")}},
		link.OwnService{Name: "nowhere", Target: link.Port{Addr: netip.AddrPort{}}}))
	if st, err := s.lookAtService(t.Context(), "share"); err != nil || !st.Reachable || st.Error != "" || st.At.IsZero() {
		t.Errorf("up: %+v, %v", st, err)
	}
	ln.Close()
	st, err := s.lookAtService(t.Context(), "share")
	if err != nil || st.Reachable || !strings.Contains(st.Error, "nothing listens there") {
		t.Errorf("down: %+v, %v", st, err)
	}
	if st, err := s.lookAtService(t.Context(), "socket"); err != nil || st.Error != "there is no such socket" {
		t.Errorf("no socket: %+v, %v", st, err)
	}
	for _, name := range []string{"other", "drop", "nowhere"} {
		if st, err := s.lookAtService(t.Context(), name); err == nil {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

// What is another service by the time that a friend is connected with it is not for the friend, and what
// goes wrong with the box's certificate leaves nobody what they may not use any more.
func TestSetWhileAServiceOpens(t *testing.T) {
	s, bob, own := takesFiles(t)
	path := filepath.Join(t.TempDir(), "socket")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	share := link.OwnService{Name: "share", Target: link.Port{Unix: path}, AtOnce: 2, Time: time.Hour, Friends: own[0].Friends}
	s.set([]link.OwnService{share})
	o := &opened{use: use{"share", link.Key(peer.KeyOf(bob))}}
	other := share
	other.Target.Unix += "2"
	for what, tc := range map[string]struct {
		entered link.OwnService
		want    bool
	}{
		"the same":        {share, true},
		"of more friends": {link.OwnService{Name: "share", Target: share.Target, AtOnce: 2, Time: time.Hour}, true},
		"another":         {other, false},
	} {
		if got := s.opened(o, tc.entered); got != tc.want {
			t.Errorf("%s: %v", what, got)
		}
	}
	delete(s.open, o)
	if o, err := s.Open(t.Context(), bob, "share"); err != nil {
		t.Error(err)
	} else {
		o.Close()
	}
	a := &application{Server: &Server{services: s, abroad: &abroad{}}}
	a.offers(&link.Services{Leaf: link.TLS{Cert: "damaged"}})
	if _, err := s.Open(t.Context(), onion.Address(bob), "share"); !errors.Is(err, mux.ErrNone) || len(a.failed) != 1 {
		t.Errorf("with a damaged certificate: %v, %v", err, a.failed)
	}
}
