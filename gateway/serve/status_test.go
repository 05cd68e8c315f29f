package serve

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"testing"

	"tunic/gateway/endpoint"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// failing is an endpoint with a mistake in it.
type failing struct{}

func (failing) Name() string { return "failing" }

func (failing) ServeConn(context.Context, net.Conn, endpoint.Visitor) error { panic("a mistake") }

// The status has what visitors and devices met, each where it belongs.
func TestCounts(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	one, other := net.Pipe()
	defer other.Close()
	endpoint.ServeOne(t.Context(), one, failing{}, endpoint.Visitor{ID: "02:00:00:00:00:01"}, s.household.of("gopher"), s.log)
	if _, ok := s.waiting.of("imap").Enter("02:00:00:00:00:01", nil); !ok {
		t.Fatal("there is no room for one")
	}
	want := []link.Service{{Name: "gopher", ServiceCounts: link.ServiceCounts{Accepted: 1, Panics: 1}},
		{Name: "imap", ServiceCounts: link.ServiceCounts{Accepted: 1, Active: 1}}}
	if st := s.counts(); !slices.Equal(st.Services, want) || st.AllPanics() != 1 {
		t.Errorf("%+v", st)
	}
	visitor(t, s)
	if st := s.counts(); st.Panics != 1 || st.AllPanics() != 2 || !slices.Equal(st.Services, want) {
		t.Errorf("after a visitor: %+v", st)
	}
}

// visitor comes to the endpoint with the mistake by an onion.
func visitor(t *testing.T, s *Server) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: t.TempDir() + "/s"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.DialUnix("unix", nil, ln.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted, err := ln.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	h := hosted{Endpoint: failing{}, host: "key.onion", limiter: s.visitors, log: s.log}
	if err := h.ServeStream(t.Context(), accepted, onion.Stream{Circuit: 1, Port: 70}); err != nil {
		t.Error(err)
	}
}
