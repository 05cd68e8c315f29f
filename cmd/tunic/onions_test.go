package main

import (
	"bytes"
	"testing"
	"time"

	"tunic/gateway/api"
)

// What nobody has asked yet is neither reachable nor a fault.
func TestPortWords(t *testing.T) {
	for want, p := range map[string]api.Port{
		"reachable (SSH)":          {Reachable: true, PortReach: api.PortReach{Saw: "SSH"}},
		"NOT reachable: it is off": {Error: "it is off"},
		"not tested yet":           {},
	} {
		if got := portWords(p, time.Now()); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestInvitationsAreCounted(t *testing.T) {
	o := api.Onion{Clients: []api.OnionClient{{Name: "alice"}, {Name: "invitation", Invited: true}, {Name: "bob"}, {Name: "invitation", Invited: true}}}
	if got := clientNames(o); got != "alice, bob, 2 open invitations" {
		t.Errorf("%q", got)
	}
	if got := clientNames(api.Onion{Clients: o.Clients[1:2]}); got != "1 open invitation" {
		t.Errorf("%q", got)
	}
}

// Publish says which services nobody serves.
func TestTargetsAreWarnedOf(t *testing.T) {
	var out bytes.Buffer
	(&app{err: &out}).warnOfTargets([]api.Port{{Port: 80, Target: "192.168.1.20:8080", Reachable: true},
		{Port: 22, Target: "nas:22", Error: "connection refused: nothing listens there"}, {Port: 70, Target: "endpoint:gopher"}})
	want := "warning: port 22 leads to nas:22, and that does not answer: connection refused: nothing listens there; visitors get nothing until it does\n" +
		"port 70 leads to endpoint:gopher, which is tested as soon as Tor is connected\n"
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}
