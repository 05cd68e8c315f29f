package services

import (
	"context"
	"errors"
	"os"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/link"
)

// A server at which nobody answers is offered all the same, and whoever offers it is told.
// A program is not looked at.
func TestAddServiceLooksAtTheServer(t *testing.T) {
	f, _, _ := house(t)
	asked := ""
	for name, x := range map[string]struct {
		request api.ServiceRequest
		seen    link.PortStatus
		failed  error
		down    string
		asked   bool
	}{
		"dead":    {api.ServiceRequest{Target: "192.168.77.20:9"}, link.PortStatus{Error: "nobody listens"}, nil, "nobody listens", true},
		"alive":   {api.ServiceRequest{Target: "192.168.77.20:7"}, link.PortStatus{Reachable: true}, nil, "", true},
		"unknown": {api.ServiceRequest{Target: "unix:/run/x"}, link.PortStatus{}, errors.New("serve is not there"), "", true},
		"program": {api.ServiceRequest{Command: []string{"/bin/true"}}, link.PortStatus{Error: "no server"}, nil, "", false},
	} {
		asked = ""
		f.At = func(_ context.Context, service string) (link.PortStatus, error) {
			asked = service
			return x.seen, x.failed
		}
		x.request.Name, x.request.Friends = name, []string{"bob"}
		got, err := f.AddService(t.Context(), x.request)
		if err != nil || got.Down != x.down || x.asked != (asked == name) {
			t.Errorf("%s: %+v, %v; asked for %q", name, got, err, asked)
		}
		if _, err := os.Stat(f.Paths.ServiceFile(name)); err != nil {
			t.Errorf("%s was not added: %v", name, err)
		}
	}
}
