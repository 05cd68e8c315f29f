package setup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

var update = flag.Bool("update", false, "write the transcripts")

func prefixes(list ...string) (nets []netip.Prefix) {
	for _, text := range list {
		nets = append(nets, netip.MustParsePrefix(text))
	}
	return nets
}

func router() Box {
	return Box{DHCP: true, Links: []feature.Link{
		{Name: "wan0", Up: true, Carrier: true, Default: true, Addresses: prefixes("203.0.113.100/24"), Hosts: 1},
		{Name: "br-lan", Up: true, Carrier: true, Bridge: true, Addresses: prefixes("192.168.77.1/24", "fd77::1/64"), Hosts: 3},
		{Name: "lan1", Up: true, Carrier: true, Port: true},
		{Name: "docker0", Up: true, Bridge: true, Addresses: prefixes("172.17.0.1/16")},
		{Name: "wlan0", Up: false}}, Wireless: []string{"wlan0"}}
}

func besideRouter() Box {
	eth0 := feature.Link{Name: "eth0", Up: true, Carrier: true, Default: true, Addresses: prefixes("192.168.1.5/24"), Hosts: 4}
	return Box{Links: []feature.Link{eth0},
		Routers: []feature.Neighbour{{Addr: netip.MustParseAddr("fe80::1")}}, SSH: []uint16{22}}
}

// with is a box that something is different about.
func with(b Box, change func(*Box)) Box { change(&b); return b }

var configured = `[household]
interfaces = ["br-lan"] # mine

[gateway]
inbound = ["udp/51820"]
other-networks = []
`

func again(b *Box) {
	b.Text, b.Users, b.Mail, b.SSH = configured, []string{"ann"}, true, []uint16{22}
	b.Config = &config.Config{Household: config.Household{Interfaces: []string{"br-lan", "gone0"}},
		Gateway: config.Gateway{Inbound: []config.Inbound{{Protocol: 17, Port: 51820}}}}
}

var dialogues = map[string]struct {
	box   Box
	lines string // that the owner types
	want  Answers
	err   error
}{
	"router": {router(), "\n\n\nyes\n", Answers{Household: []string{"br-lan"}, Others: []string{"docker0"}, Inbound: []string{}}, nil},
	"everything": {with(router(), func(b *Box) {
		b.SSH = []uint16{22}
		b.Tor = DebianTor{Running: true, Edited: true}
	}), "br-lan\nnone\nyes\nboth\nann\nhunter2 is too short for me\ndetails\nyes\n",
		Answers{Household: []string{"br-lan"}, Inbound: []string{"tcp/22"}, Mail: true, Chat: true, User: "ann",
			Password: "hunter2 is too short for me"}, nil},
	"logged in from outside": {with(router(), func(b *Box) {
		b.Visits = []feature.Visit{{Port: 2222, From: netip.MustParseAddr("198.51.100.7")},
			{Port: 22, From: netip.MustParseAddr("192.168.77.9")}}
		b.Tor.Running = true
	}), "\n\n\n\nyes\n", Answers{Household: []string{"br-lan"}, Others: []string{"docker0"}, Inbound: []string{"tcp/2222"}}, nil},
	"beside the router": {besideRouter(), "\nnone\nno\n", Answers{Household: []string{"eth0"}, OneArm: true, Inbound: []string{}}, nil},
	"wrong words": {router(), "wan0\nlan1\nbr-lan\nbr-lan\ndocker0\nperhaps\nnone\nwhat\nyes\n",
		Answers{Household: []string{"br-lan"}, Others: []string{"docker0"}, Inbound: []string{}}, nil},
	"three wrong words": {router(), "eth7\nlan1\nnone\nbr-lan\n", Answers{}, ErrGiveUp},
	"the input ends":    {router(), "\n", Answers{}, ErrEnded},
	"a second time": {with(router(), again), "\n\n\n\nyes\n", Answers{Household: []string{"br-lan"}, Others: nil,
		Inbound: []string{"udp/51820"}, Mail: true}, nil},
	"a second time, with ssh": {with(router(), again), "br-lan\ndocker0\nyes\nboth\nyes\n",
		Answers{Household: []string{"br-lan"}, Others: []string{"docker0"}, Inbound: []string{"udp/51820", "tcp/22"},
			Mail: true, Chat: true}, nil},
}

// A dialogue is in the file as a person sees it; what they type is after the
// question, as a terminal shows it.
func TestDialogues(t *testing.T) {
	for name, d := range dialogues {
		t.Run(name, func(t *testing.T) {
			var screen bytes.Buffer
			got, err := converse(t.Context(), &screen, d.box, d.lines)
			if !errors.Is(err, d.err) {
				t.Errorf("%v, want %v", err, d.err)
			}
			if err == nil && !reflect.DeepEqual(got, d.want) {
				t.Errorf("%+v, want %+v", got, d.want)
			}
			golden := filepath.Join("testdata", strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")+".txt")
			if *update {
				if err := os.WriteFile(golden, screen.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || !bytes.Equal(want, screen.Bytes()) {
				t.Errorf("%v; the screen shows another text than %s:\n%s", err, golden, screen.Bytes())
			}
			if n := strings.Count(screen.String(), "\n6. "); n > 0 {
				t.Error("there are more than five questions")
			}
		})
	}
}

// converse holds a whole dialogue, up to the last yes.
func converse(ctx context.Context, screen *bytes.Buffer, b Box, typed string) (Answers, error) {
	in := bufio.NewReader(strings.NewReader(typed))
	line := func(context.Context) (string, error) {
		text, err := in.ReadString('\n')
		if err == nil {
			screen.WriteString(text)
		}
		return strings.TrimSuffix(text, "\n"), err
	}
	a := &Asker{Out: screen, Line: line, Secret: func(ctx context.Context, _ string) (string, bool, error) {
		text, err := line(ctx)
		return text, false, err
	}}
	answers, err := a.Questions(ctx, b, func(string) error { return nil })
	if err != nil {
		return answers, err
	}
	text, err := answers.Text(b.Text)
	if err != nil {
		return answers, err
	}
	p := Plan{Files: []File{{Path: "/etc/tunic/tunic.toml", Text: []byte(text)}}, Stop: []string{"tor.service"}}
	for _, w := range Warnings(b, answers) {
		a.say("! %s", w)
	}
	for _, line := range Steps(b, answers, p, nil) {
		a.say("- %s", line)
	}
	yes, err := a.Agree(ctx, "Do it?", []string{"+ a rule"})
	if err == nil {
		a.say("agreed: %v", yes)
		if b.Text != "" {
			a.say("%s", text)
		}
	}
	return answers, err
}

// The keys that setup does not ask for stay, with their comments.
func TestNothingOfTheFileIsLost(t *testing.T) {
	text, err := Answers{Household: []string{"lan0"}, Inbound: []string{"udp/51820", "tcp/22"}}.Text(
		configured + "\n[tor]\n# slow\nisolate-destinations = true\n")
	want := "[household]\ninterfaces = [\"lan0\"] # mine\n\n[gateway]\ninbound = [\"udp/51820\", \"tcp/22\"]\nother-networks = []\n" +
		"\n[tor]\n# slow\nisolate-destinations = true\n"
	if err != nil || text != want {
		t.Errorf("%q, %v", text, err)
	}
	_, err = Answers{Household: []string{"lan0"}}.Text("household.interfaces = ['a']\n")
	if err == nil || !strings.Contains(err.Error(), "only a person") || !strings.Contains(err.Error(), `interfaces = ["lan0"]`) {
		t.Errorf("%v", err)
	}
}

// A phone's keyboard begins a line with a capital, and a name that comes twice is one.
func TestWhatPeopleType(t *testing.T) {
	got, err := converse(t.Context(), new(bytes.Buffer), router(), "br-lan, br-lan\ndocker0 docker0\nnone\nDetails\nYes\n")
	if err != nil || len(got.Household) != 1 || len(got.Others) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The answers of yes that are needed to keep a setup.
func TestYes(t *testing.T) {
	for typed, want := range map[string]bool{"yes\n": true, "perhaps\nyes\n": true, "no\nyes\n": false, "": false,
		"\n\n\n\nyes\n": true, "Yes\n": true, "NO\nyes\n": false, "y\nja\no\nyes\n": false, strings.Repeat("\n", 200) + "yes\n": false} {
		in := bufio.NewReader(strings.NewReader(typed))
		a := &Asker{Out: new(bytes.Buffer), Line: func(context.Context) (string, error) {
			text, err := in.ReadString('\n')
			return strings.TrimSpace(text), err
		}}
		if err := a.Yes(t.Context()); (err == nil) != want {
			t.Errorf("%q: %v", typed, err)
		}
	}
}
