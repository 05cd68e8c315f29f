package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/feature/networks"
	"tunic/gateway/link"
	"tunic/rules"
)

// HardwareAddr knows 192.168.77.N as 02:00:00:00:00:N, as far as N is there.
func (k fakeKernel) HardwareAddr(_ context.Context, _ []string, a netip.Addr) (string, error) {
	b := a.As16()
	if b[15] > 99 {
		return "", nil
	}
	return fmt.Sprintf("02:00:00:00:00:%02d", b[15]), nil
}

const bypassFile = mainFile + `
[[bypass]]
domains = ["bank.example"]
devices = ["tv"]
[[bypass]]
domains = ["game.example"]
prefixes = ["198.51.100.0/24"]
`

// bypassHouse is open, with a tv (.10), a blocked device (.11), a direct one
// (.12) and nobody's file for the others.
func bypassHouse(t *testing.T) *house {
	h := newHouse(t, map[string]string{
		"tunic.toml":           bypassFile,
		"devices/tv.toml":      "mac = \"02:00:00:00:00:10\"\n",
		"devices/blocked.toml": "mac = \"02:00:00:00:00:11\"\npolicy = \"block\"\n",
		"devices/direct.toml":  "mac = \"02:00:00:00:00:12\"\npolicy = \"direct\"\n",
	})
	h.running(t)
	if h.took(); !h.opened {
		t.Fatal("the household is not open")
	}
	return h
}

func request(device, domain string, addrs ...string) link.Grant {
	r := link.Grant{Device: netip.MustParseAddr(device), Domain: domain, TTL: 300 * time.Second}
	for _, a := range addrs {
		r.Addrs = append(r.Addrs, netip.MustParseAddr(a))
	}
	return r
}

// letThrough are the rules of the chain that let a device reach an address.
func (h *house) letThrough() []string {
	var found []string
	for _, f := range rules.Families() {
		for line := range strings.Lines(h.loaded.Text(f, "mangle")) {
			if strings.HasPrefix(line, "-A TUNIC-BYPASS ") && strings.Contains(line, "--mac-source") {
				words := strings.Fields(line)
				found = append(found, words[3]+" "+words[slices.Index(words, "--mac-source")+1])
			}
		}
	}
	return found
}

func TestGrantIsInForceWhenItIsAnswered(t *testing.T) {
	h := bypassHouse(t)
	r := request("192.168.77.10", "bank.example", "203.0.113.7", "2001:db8:bb::7")
	if err := h.bypass.Grant(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	h.expect(t, "rules open")
	want := []string{"203.0.113.7/32 02:00:00:00:00:10", "2001:db8:bb::7/128 02:00:00:00:00:10"}
	if got := h.letThrough(); !slices.Equal(got, want) {
		t.Errorf("the rules let through %q, want %q", got, want)
	}
	if err := h.bypass.Grant(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	h.expect(t, "") // nothing has changed
	if text := fmt.Sprint(h.Gateway.Status(t.Context()).Leaks); !strings.Contains(text, "bank.example, for tv (bypass); 2 addresses now") ||
		!strings.Contains(text, "game.example, 198.51.100.0/24, for every device (bypass)") {
		t.Errorf("status says %s", text)
	}
}

// A configuration without the bypass closes it at once, and lockdown too.
func TestBypassEndsWithItsConfiguration(t *testing.T) {
	h := bypassHouse(t)
	r := request("192.168.77.10", "bank.example", "203.0.113.7")
	if err := h.bypass.Grant(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	h.took()
	if err := h.Lockdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.letThrough(); got != nil {
		t.Errorf("in lockdown the rules let through %q", got)
	}
	if err := h.bypass.Grant(t.Context(), r); !errors.Is(err, feature.ErrClosed) {
		t.Errorf("in lockdown: %v", err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.letThrough(); len(got) != 1 {
		t.Errorf("after lockdown the rules let through %q, want what still holds", got)
	}
	h.took()
	h.write(t, "tunic.toml", mainFile)
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.letThrough(); got != nil {
		t.Errorf("the rules let through %q", got)
	}
	if did := h.took(); !strings.Contains(did, "rules open, cut direct") {
		t.Errorf("did: %s, want the connections cut", did)
	}
}

func TestGrantThatCannotBeLoaded(t *testing.T) {
	h := bypassHouse(t)
	h.set(func() { h.fail["rules"] = errBroken })
	if err := h.bypass.Grant(t.Context(), request("192.168.77.10", "bank.example", "203.0.113.8")); !errors.Is(err, errBroken) {
		t.Errorf("a way that is not open was promised: %v", err)
	}
}

func TestBypassWithoutForwarding(t *testing.T) {
	h := newHouse(t, map[string]string{"tunic.toml": bypassFile, "devices/tv.toml": "mac = \"02:00:00:00:00:10\"\n"})
	h.facts.Forwarding = false
	h.pass(t.Context())
	if !slices.Contains(h.codes(t), "forwarding-off") {
		t.Errorf("findings: %v", h.codes(t))
	}
}

func TestDesireNamesAndTime(t *testing.T) {
	in := inputs()
	in.Config.Gateway.NTP = true
	in.Config.Gateway.NTPServers = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	in.Config.DNS.Resolver = config.Resolver{Server: netip.MustParseAddrPort("9.9.9.9:853"), Name: "dns.quad9.net"}
	in.Config.Bypasses = []config.Bypass{{Domains: []string{"bank.example"}, Devices: []string{"tv"}}}
	in.Facts.ClockSynchronised = true
	d := desire.State(in)
	if d.Rules.NTPPort != config.ServeNTPPort || !slices.Contains(d.Rules.Exceptions,
		rules.Exception{Protocol: rules.ProtocolUDP, To: netip.MustParsePrefix("192.0.2.1/32"), Port: 123}) {
		t.Errorf("rules: %+v", d.Rules)
	}
	if n := d.Serve.NTP; n == nil || !n.Trusted || !slices.Equal(n.Listeners, []string{"ntp/br-lan#4/udp4", "ntp/br-lan#4/udp6"}) {
		t.Errorf("time: %+v", n)
	}
	if r := d.Serve.DNS.Resolver; r == nil || r.Server.Port() != 853 || r.Name != "dns.quad9.net" ||
		!slices.Equal(d.Serve.DNS.Bypass, []string{"bank.example"}) {
		t.Errorf("names: %+v", d.Serve.DNS)
	}
	if b := d.Rules.Bypasses; len(b) != 1 || !slices.Equal(b[0].MACs, []string{"02:00:00:00:00:10"}) {
		t.Errorf("bypass: %+v", b)
	}
	for _, l := range d.Listeners {
		if strings.HasPrefix(l.Name, "ntp/") && (l.Port != config.ServeNTPPort || l.Interface != "br-lan") {
			t.Errorf("the time server listens on %+v", l)
		}
	}
	var status api.Status
	networks.Feature{}.Report(t.Context(), feature.Scene{Written: in.Config}, &status)
	if words := status.Leaks; !slices.Contains(words, "the box asks 192.0.2.1 for the time (ntp-servers)") {
		t.Errorf("exceptions: %q", words)
	}
	if off := desire.State(inputs()); len(off.Serve.NTP.Listeners) > 0 || off.Rules.NTPPort != 0 {
		t.Error("devices are told the time although nobody said so")
	}
}

// Somebody asked while the household was open, and it is closed by the time that
// the loop comes to it: the rules stay closed.
func TestRulesOpenNothingThatIsClosed(t *testing.T) {
	for what, shut := range map[string]func(*house){
		"lockdown":     func(h *house) { h.held, h.opened = true, false },
		"rules failed": func(h *house) { h.opened = false },
	} {
		h := bypassHouse(t)
		shut(h)
		h.took()
		err := h.Rules(t.Context(), func(in *rules.Input) {
			in.Grants = []rules.Grant{{MAC: "02:00:00:00:00:10", To: netip.MustParseAddr("203.0.113.7")}}
		})
		if j := h.took(); !errors.Is(err, feature.ErrClosed) || strings.Contains(j, "rules") {
			t.Errorf("%s: %v, did %s", what, err, j)
		}
	}
}

// A verb writes the file and has it in force, or leaves all as it was.
func TestBypassVerbs(t *testing.T) {
	h := bypassHouse(t)
	ctx := t.Context()
	domains := func() (list []string) {
		for _, b := range h.snapshot().desired.Rules.Bypasses {
			list = append(list, b.Domains...)
		}
		return list
	}
	if err := h.bypass.AddBypass(ctx, api.BypassRequest{To: "https://shop.example/cart", Devices: []string{"tv"}}); err != nil {
		t.Fatal(err)
	}
	if got := domains(); !slices.Equal(got, []string{"bank.example", "game.example", "shop.example"}) {
		t.Errorf("in force: %q", got)
	}
	if list, err := h.bypass.Bypasses(ctx); err != nil || len(list) != 4 || list[3].To != "shop.example" || list[3].Devices[0] != "tv" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, r := range []api.BypassRequest{{To: "shop.example"}, {To: "com"}, {To: "x.example", Devices: []string{"fridge"}}} {
		if f, ok := errors.AsType[*api.Failure](h.bypass.AddBypass(ctx, r)); !ok || !f.Usage {
			t.Errorf("%+v is added, or it is not said to be wrong: %v", r, f)
		}
	}
	if err := h.bypass.RemoveBypass(ctx, api.BypassRequest{To: "bank.example"}); err != nil {
		t.Fatal(err)
	}
	if got := domains(); !slices.Equal(got, []string{"game.example", "shop.example"}) {
		t.Errorf("in force at the end: %q", got)
	}
	text, err := os.ReadFile(h.Paths.Main())
	if err != nil || strings.Contains(string(text), "bank.example") || !strings.Contains(string(text), "shop.example") {
		t.Errorf("the file: %v\n%s", err, text)
	}
}
