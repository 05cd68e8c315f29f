package serve

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/link"
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
