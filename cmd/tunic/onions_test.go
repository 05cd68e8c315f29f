package main

import (
	"bytes"
	"errors"
	"strings"
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
	o := api.Onion{Clients: []api.OnionClient{{Name: "alice"}, {Name: "invitation", Invited: true}, {Name: "bob"},
		{Name: "invitation", Invited: true}}}
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
	ports := []api.Port{{Port: 80, Target: "192.168.1.20:8080", Reachable: true},
		{Port: 22, Target: "nas:22", Error: "connection refused: nothing listens there"}, {Port: 70, Target: "endpoint:gopher"}}
	(&app{err: &out}).warnOfTargets(api.Onion{Ports: ports})
	(&app{err: &out}).warnOfTargets(api.Onion{Private: true, Ports: ports[2:]})
	want := "warning: port 22 leads to nas:22, and that does not answer: connection refused: nothing listens there; " +
		"visitors get nothing until it does\n" +
		"port 70 leads to endpoint:gopher, which is tested as soon as Tor is connected\n" +
		"port 70 leads to endpoint:gopher, which is tested as soon as somebody can find the onion\n"
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}

// A private onion without clients is for nobody.
func TestVisitOfAnOnionForNobody(t *testing.T) {
	var out bytes.Buffer
	(&app{err: &out}).printVisit(api.Visit{Name: "diary", Private: true, Anonymous: true, Published: true})
	if !strings.Contains(out.String(), "private: nobody can find it.") {
		t.Errorf("%s", out.String())
	}
}

// Who asks why about a destination without a sender is told how.
func TestWhyOfADestination(t *testing.T) {
	for device, told := range map[string]bool{"8.8.8.8": true, "phone": false} {
		err := alsoDestination(&api.Failure{Problem: api.Problem{Error: "no device", Hint: "see"}}, api.WhyRequest{Device: device})
		f, _ := errors.AsType[*api.Failure](err)
		if strings.Contains(f.Hint, "--from DEVICE") != told {
			t.Errorf("%s: %q", device, f.Hint)
		}
	}
}
