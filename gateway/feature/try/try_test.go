package try

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/feature"
	"tunic/gateway/link"
	"tunic/gateway/tor"
	"tunic/rules"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]page{
		"bank.example":                 {link.Attempt{TLS: true, Host: "bank.example", Port: 443, Path: "/"}, "https://bank.example/"},
		"http://Bank.Example./a?b=c#d": {link.Attempt{Host: "bank.example", Port: 80, Path: "/a?b=c"}, "http://Bank.Example./a?b=c"},
		"https://me:secret@b.example":  {link.Attempt{TLS: true, Host: "b.example", Port: 443, Path: "/"}, "https://b.example/"},
		"b.example:8443":               {link.Attempt{TLS: true, Host: "b.example", Port: 8443, Path: "/"}, "https://b.example:8443/"},
		"[2001:db8::1]:80":             {link.Attempt{TLS: true, Host: "2001:db8::1", Port: 80, Path: "/"}, "https://[2001:db8::1]:80/"},
		"alice.peer.home.arpa":         {link.Attempt{Host: "alice.peer.home.arpa", Port: 80, Path: "/"}, "http://alice.peer.home.arpa/"},
		"x.onion":                      {link.Attempt{Host: "x.onion", Port: 80, Path: "/"}, "http://x.onion/"},
	} {
		if got, err := parse(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "https://", "ftp://b.example", "http://b.example:0", "http://b.example:99999",
		"bücher.example", "a b", "http://[fe80::1%25eth0]/", "http://b.example/\r\nX: y"} {
		if got, err := parse(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

// answers is a box whose attempts end as they are listed.
type answers struct {
	feature.Host
	list   []link.Attempted
	exits  []string
	device api.Device
	asked  []link.Attempt
	closed bool
}

var bypassed = rules.Input{Bypasses: []rules.Bypass{{MACs: []string{"02:00:00:00:00:01"}, Domains: []string{"bank.example"},
	Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}}}

func (a *answers) Now() feature.Now {
	return feature.Now{Open: !a.closed, Desired: feature.Desired{Rules: bypassed}, Why: "Tor is connecting"}
}

func (a *answers) Find(_ context.Context, word string) (api.Device, error) {
	if a.device.Name != word {
		return api.Device{}, errors.New("no device")
	}
	return a.device, nil
}

func (a *answers) Try(_ context.Context, q link.Attempt) (link.Attempted, error) {
	a.asked = append(a.asked, q)
	got := a.list[len(a.asked)-1]
	got.Circuit = a.exits[len(a.asked)-1]
	return got, nil
}

func (a *answers) ExitOf(password string) (tor.Exit, bool) {
	return tor.Exit{Nickname: password, Fingerprint: password}, password != ""
}

func (a *answers) try(t *testing.T, r api.TryRequest) api.Try {
	t.Helper()
	got, err := Visitor{Host: a, Server: a, Tor: a, Finder: a}.Try(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func status(code int) link.Attempted {
	return link.Attempted{Status: code, Steps: []link.Step{{Kind: "tcp"}, {Kind: "http", Saw: "x"}}}
}

func fault(f link.Fault) link.Attempted {
	return link.Attempted{Steps: []link.Step{{Kind: "tcp", Fault: f, Reason: "because"}}}
}

// What came of the attempts is said in words, with the command that helps.
func TestVerdicts(t *testing.T) {
	challenged := status(403)
	challenged.Challenge = "Cloudflare"
	laptop := api.Device{Name: "laptop", Named: "file", MAC: "02:00:00:00:00:02", Policy: "tor"}
	both := func(a link.Attempted) []link.Attempted { return []link.Attempted{a, a} }
	add := "tunic bypass add bank.example --device laptop"
	for name, c := range map[string]struct {
		list    []link.Attempted
		exits   string
		opens   bool
		verdict string
		action  string
		url     string
	}{
		"opens":           {both(status(200))[:1], "a", true, "bank.example opens through Tor", "", ""},
		"no such page":    {both(status(404))[:1], "a", true, "404 (not found)", "", ""},
		"asks who":        {both(status(401))[:1], "a", true, "asks who you are", "", ""},
		"refuses":         {both(status(403)), "a b", false, "the site refuses Tor (403)", add, ""},
		"a captcha":       {both(challenged), "a b", false, "Cloudflare stands before it", add, ""},
		"too many":        {both(status(429)), "a b", false, "too many others", add, ""},
		"the law":         {both(status(451)), "a b", false, "closed by law", add, ""},
		"overloaded":      {both(status(503)), "a b", false, "or is overloaded (503)", add, ""},
		"a fault":         {both(status(500)), "a b", false, "a fault of its own: it answers 500", "wait", ""},
		"no name":         {both(fault(link.FaultName)), "a b", false, "no address for bank.example (asked by two exits)", "compare", ""},
		"closed port":     {both(fault(link.FaultRefused)), "a b", false, "port 443 of bank.example takes no connection", add, ""},
		"dead":            {both(fault(link.FaultUnreached)), "a b", false, "does not answer", "drops what comes from Tor", ""},
		"bad certificate": {both(fault(link.FaultCertificate)), "a b", false, "is not valid: because", "enter no password", ""},
		"Tor":             {both(fault(link.FaultTor)), "a b", false, "Tor itself did not get there", "", ""},
		"home":            {both(fault(link.FaultHome))[:1], "a", false, "in the house", "", ""},
		"an onion":        {both(fault(link.FaultUnreached)), "a b", false, "does not open: because", "ask its owner", "x.onion"},
		"refuses one exit": {[]link.Attempted{status(403), status(200)}, "a b", true,
			"by the exit b, and not by the exit a: the site refuses Tor", "new-identity laptop", ""},
		"the same exit": {append(both(status(403)), status(200)), "a a b", true, "by the exit b", "new-identity", ""},
		"one bad exit":  {[]link.Attempted{fault(link.FaultUnreached), status(200)}, "a b", true, "not by the exit a: because", "", ""},
		"a false exit":  {[]link.Attempted{fault(link.FaultCertificate), status(200)}, "a b", true, "may read along", "", ""},
	} {
		a := &answers{list: c.list, exits: strings.Fields(c.exits), device: laptop}
		if c.url == "" {
			c.url = "bank.example"
		}
		got := a.try(t, api.TryRequest{URL: c.url, Device: "laptop"})
		if got.Opens != c.opens || !strings.Contains(got.Verdict, c.verdict) || !strings.Contains(got.Action, c.action) ||
			len(got.Attempts) != len(c.list) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A device's own way is told; what is blocked is not tried.
func TestWays(t *testing.T) {
	for name, c := range map[string]struct {
		policy, mac, url string
		want             api.TryWay
	}{
		"tor":                {"tor", "02:00:00:00:00:02", "bank.example", api.ByTor},
		"direct":             {"direct", "02:00:00:00:00:02", "bank.example", api.ByDirect},
		"onion":              {"onion", "02:00:00:00:00:02", "bank.example", api.ByDirect},
		"onion, to an onion": {"onion", "02:00:00:00:00:02", "x.onion", api.ByTor},
		"bypass":             {"tor", "02:00:00:00:00:01", "www.bank.example", api.ByBypass},
		"another domain":     {"tor", "02:00:00:00:00:01", "notbank.example", api.ByTor},
		"a network":          {"tor", "02:00:00:00:00:01", "http://198.51.100.7", api.ByBypass},
		"blocked":            {"block", "02:00:00:00:00:01", "bank.example", api.Blocked},
	} {
		a := &answers{list: []link.Attempted{status(403), status(403)}, exits: []string{"a", "b"},
			device: api.Device{Name: "tv", Named: "file", MAC: c.mac, Policy: c.policy}}
		got := a.try(t, api.TryRequest{URL: c.url, Device: "tv"})
		if got.Way != c.want || (len(a.asked) == 0) != (c.want == api.Blocked) {
			t.Errorf("%s: %s, asked %v", name, got.Way, a.asked)
		}
		if adds := strings.Contains(got.Action, "bypass add"); adds && c.want != api.ByTor {
			t.Errorf("%s: %q", name, got.Action)
		}
		if words := []string{"tv is blocked", "(policy " + c.policy + ")", "(bypass)"}; c.want != api.ByTor &&
			!slices.ContainsFunc(words, func(w string) bool { return strings.Contains(got.Verdict, w) }) {
			t.Errorf("%s: %q", name, got.Verdict)
		}
	}
}

// A device without a file cannot be named by a bypass.
func TestNoDeviceInTheCommand(t *testing.T) {
	a := &answers{list: []link.Attempted{status(403), status(403)}, exits: []string{"a", "b"},
		device: api.Device{Name: "phone", Named: "lease", MAC: "02:00:00:00:00:09", Policy: "tor"}}
	if got := a.try(t, api.TryRequest{URL: "https://www.bank.example", Device: "phone"}); got.Action != "tunic bypass add bank.example" {
		t.Errorf("%q", got.Action)
	}
}

func TestClosedHouseholdTriesNothing(t *testing.T) {
	a := &answers{closed: true}
	_, err := Visitor{Host: a, Server: a, Tor: a, Finder: a}.Try(t.Context(), api.TryRequest{URL: "bank.example"})
	if err == nil || !strings.Contains(err.Error(), "Tor is connecting") || len(a.asked) > 0 {
		t.Errorf("%v, asked %v", err, a.asked)
	}
}
