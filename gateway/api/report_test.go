package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"tunic/gateway/health"
)

// secrets fill every text that there is in a value with one of its own.
type secrets struct{ list []string }

// forms are how names, addresses, keys and destinations look.
var forms = []string{"alice%d", "192.168.77.%d", "02:00:5e:00:53:%02x", "abcdefghijklmnop%d.onion", "bank%d.example", "1.2.%d.4"}

func (s *secrets) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		text := fmt.Sprintf(forms[len(s.list)%len(forms)], 100+len(s.list)%150) // a byte of an address
		v.SetString(text)
		s.list = append(s.list, text)
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			v.Set(reflect.ValueOf(time.Now().Add(-26 * time.Hour)))
			return
		}
		for i := range v.NumField() {
			s.fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		s.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			s.fill(v.Index(i))
		}
	case reflect.Bool:
		v.SetBool(true)
	}
}

// Whatever text the status of a house has anywhere, of friends and of users, a report has
// none of it.
func TestReportHasNoText(t *testing.T) {
	var (
		s     Status
		peers []Peer
		users []User
		all   secrets
	)
	for _, v := range []any{&s, &peers, &users} {
		all.fill(reflect.ValueOf(v).Elem())
	}
	r := NewReport(s, peers, users)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{string(text), r.String()} {
		for _, secret := range all.list {
			if strings.Contains(where, secret) {
				t.Errorf("%q is in the report: %s", secret, where)
			}
		}
	}
	if len(all.list) < 100 || r.Counts["users other"] != 3 || r.Findings["other"] != 3 || r.Hours != 26 {
		t.Errorf("%d texts, %+v", len(all.list), r)
	}
}

// What helps is in it.
func TestReport(t *testing.T) {
	r := NewReport(Status{Version: "1.2.0", State: Open, Ready: true, Tor: Tor{Version: "0.4.9.11", Running: true, Bootstrap: 100},
		Household: Household{DefaultPolicy: "tor", Devices: []Device{{Policy: "tor"}, {Policy: "tor"}, {Policy: "direct"}}},
		Onions:    []Onion{{Private: true, Anonymous: true, Reach: Reach{Visitors: "yes"}}, {Ports: []Port{{Error: "refused"}}}},
		Servers:   []Server{{Name: "dovecot", Version: "2.4.1-4", Ready: true}},
		Leaks:     []string{"the tv"}, Findings: []health.Finding{health.New(health.TargetUnreachable, "photos", "192.168.77.20")}},
		[]Peer{{State: PeerFriend}}, []User{{Role: "admin"}})
	for _, want := range []string{"tunic 1.2.0, tor 0.4.9.11", "state: open, ready: true", "devices direct: 1\ndevices tor: 2\n",
		"onions private: 1", "onions public not anonymous: 1", "onions reached yes: 1", "targets down: 1", "exceptions: 1",
		"friends friend: 1", "users admin: 1", "server dovecot 2.4.1-4: ready true", "finding target-unreachable: 1"} {
		if !strings.Contains(r.String(), want) {
			t.Errorf("%q is missing:\n%s", want, r)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, plain := range map[string]bool{"1.2.0": true, "0.4.9.11": true, "2.4.1-4+deb13u1": true, "9ed2c35-dirty": true, "": true,
		"development": true, "2.3.21.1": false, "192.168.77.20": false, "192.168.77.20:80": false,
		"alice": false, "1.2 of alice": false, "fd77::1": false} {
		if got := version(text); (got == text) != plain {
			t.Errorf("%q is %q", text, got)
		}
	}
}
