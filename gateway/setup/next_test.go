package setup

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A page asks what a terminal asks: each dialogue with answers that can be used is the
// same question by question, and leads to the same.
func TestNext(t *testing.T) {
	named := func(string) error { return nil }
	for name, d := range dialogues {
		if d.err != nil || name == "wrong words" {
			continue
		}
		var given []string
		for line := range strings.Lines(d.lines) {
			q, answers, err := Next(t.Context(), d.box, given, named)
			if err != nil {
				t.Fatalf("%s after %q: %v", name, given, err)
			}
			if q.Topic == "" {
				answers.Password, answers.Made, d.want.Password = "", false, ""
				if !reflect.DeepEqual(answers, d.want) {
					t.Errorf("%s: %+v, want %+v", name, answers, d.want)
				}
				break
			}
			if q.Number != len(given)+1 || q.Number > 5 || q.Topic != AskUser && len(q.Options) == 0 {
				t.Errorf("%s after %q: %+v", name, given, q)
			}
			given = append(given, strings.TrimSuffix(line, "\n"))
		}
	}
}

// What a terminal would ask once more is told, with the question that it was for.
func TestNextIsWrong(t *testing.T) {
	check := func(string) error { return errors.New("no name") }
	for want, given := range map[Topic][]string{AskHousehold: {"wan0"}, AskOthers: {"br-lan", "br-lan"}, AskServers: {"", "", "what"},
		AskUser: {"", "", "mail", "root"}} {
		q, _, err := Next(t.Context(), router(), given, check)
		if !errors.Is(err, ErrAnswer) || q.Topic != want {
			t.Errorf("%q: %+v, %v", given, q, err)
		}
	}
}

// A page is reached where the household is, and never where the internet is.
func TestDoors(t *testing.T) {
	public := with(router(), func(b *Box) { b.Links[1].Addresses = prefixes("198.51.100.7/24", "fd77::1/64") })
	uplink := with(router(), func(b *Box) { again(b); b.Config.Household.Interfaces = []string{"wan0"} })
	uplink.Links[0].Addresses = prefixes("10.0.0.2/24")
	for name, c := range map[string]struct {
		box  Box
		want []string
	}{
		"router":             {router(), []string{"192.168.77.1", "fd77::1"}},
		"beside":             {besideRouter(), nil},
		"a public address":   {public, []string{"fd77::1"}},
		"set up before":      {with(router(), again), []string{"192.168.77.1", "fd77::1"}},
		"its uplink is home": {uplink, nil},
		"a private uplink": {with(router(), func(b *Box) { b.Links[0].Addresses = prefixes("10.0.0.2/24") }),
			[]string{"192.168.77.1", "fd77::1"}},
	} {
		var got []string
		for _, d := range c.box.Doors() {
			got = append(got, d.Addr.String())
			if d.Interface != "br-lan" {
				t.Errorf("%s: %+v", name, d)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if l, wireless := router().Link("wlan0"); l.Name != "wlan0" || !wireless {
		t.Errorf("%+v", l)
	}
	if l, wireless := router().Link("eth7"); l.Name != "" || wireless {
		t.Errorf("%+v", l)
	}
}
