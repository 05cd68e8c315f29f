package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// bypassing is the house with the scenario's bypasses and grants.
func bypassing() Input { return scenarios()["open-bypass-ntp"] }

// TestBypassNeverReaches: whatever is let through, DNS, the household, the box
// and virtual addresses come before it.
func TestBypassNeverReaches(t *testing.T) {
	in := bypassing()
	in.Bypasses = append(in.Bypasses, Bypass{Prefixes: []netip.Prefix{in.Virtual4, in.Prefixes[0], in.Virtual6, in.Prefixes[1]}})
	set := mustCompile(t, in)
	for _, f := range Families() {
		rules := rulesOf(t, set, f, "mangle", chainBypass)
		first := slices.IndexFunc(rules, func(r string) bool { return strings.Contains(r, "CONNMARK") })
		before := strings.Join(rules[:first], "\n")
		for _, want := range []string{"tcp --dport 53 -j RETURN", "udp --dport 53 -j RETURN", "--dst-type LOCAL -j RETURN"} {
			if !strings.Contains(before, want) {
				t.Errorf("%v: no %q before the first mark:\n%s", f, want, before)
			}
		}
		for _, p := range append(only(f, in.Prefixes), only(f, []netip.Prefix{in.Virtual4, in.Virtual6})...) {
			if !strings.Contains(before, "-d "+p.String()+" -j RETURN") {
				t.Errorf("%v: %v is not taken out before the first mark", f, p)
			}
		}
	}
}

func TestBypassIsForItsDevices(t *testing.T) {
	in := bypassing()
	for _, f := range Families() {
		for _, r := range rulesOf(t, mustCompile(t, in), f, "mangle", chainBypass) {
			all := strings.Contains(r, "198.51.100.0/24") || strings.Contains(r, "2001:db8:5::/48")
			if marks := strings.Contains(r, "CONNMARK"); marks && all == strings.Contains(r, "--mac-source") {
				t.Errorf("%v: %s", f, r)
			}
		}
	}
}

// TestNothingIsLetThrough where there is no bypass, or the household is closed.
func TestNothingIsLetThrough(t *testing.T) {
	none := bypassing()
	none.Bypasses = nil
	closed := bypassing()
	closed.Mode = Lockdown
	for name, in := range map[string]Input{"no bypass": none, "lockdown": closed} {
		set := mustCompile(t, in)
		for _, f := range Families() {
			if got := rulesOf(t, set, f, "mangle", chainBypass); len(got) > 0 {
				t.Errorf("%s, %v: %q", name, f, got)
			}
			if text := set.Text(f, "mangle"); strings.Contains(text, "-j "+chainBypass) {
				t.Errorf("%s, %v: something leads to the chain", name, f)
			}
		}
	}
}

// TestGrantChangesOneChain: that is what lets them come and go cheaply.
func TestGrantChangesOneChain(t *testing.T) {
	before, after := bypassing(), bypassing()
	after.Grants = append(slices.Clone(after.Grants), Grant{MAC: "02:00:00:00:00:99", To: netip.MustParseAddr("203.0.113.99")})
	changes := Diff(mustCompile(t, before), mustCompile(t, after))
	if len(changes) != 1 || changes[0].Chain != chainBypass || !changes[0].Added {
		t.Errorf("%v", changes)
	}
	slices.Reverse(after.Grants)
	after.Grants = append(after.Grants, after.Grants[0])
	if again := Diff(mustCompile(t, before), mustCompile(t, after)); len(again) != 1 {
		t.Errorf("order or repetition matters: %v", again)
	}
}

// TestTimeGoesToTheBox: the household's own servers and direct devices are
// served by whom they ask; everybody else by the box.
func TestTimeGoesToTheBox(t *testing.T) {
	set := mustCompile(t, bypassing())
	for _, f := range Families() {
		lan := rulesOf(t, set, f, "nat", "TUNIC-LAN")
		place := func(want string) int {
			i := slices.Index(lan, want)
			if i < 0 {
				t.Fatalf("%v: no rule %q in %q", f, want, lan)
			}
			return i
		}
		anywhere := place("-p udp -m udp --dport 123 -j REDIRECT --to-ports 9323")
		box := place("-p udp -m udp --dport 123 -m addrtype --dst-type LOCAL -j REDIRECT --to-ports 9323")
		direct, onion := place(marked(Direct)+" -j RETURN"), place(marked(Onion)+" -j RETURN")
		household := place("-d " + only(f, house().Prefixes)[0].String() + " -j RETURN")
		if box > direct || direct > anywhere || household > anywhere || anywhere > onion {
			t.Errorf("%v: box %d, direct %d, household %d, anywhere %d, onion %d", f, box, direct, household, anywhere, onion)
		}
		if !slices.Contains(rulesOf(t, set, f, "filter", "TUNIC-INPUT"), "-p udp -m udp --dport 9323 -g TUNIC-CLOSED") {
			t.Errorf("%v: the time server is open to everybody", f)
		}
	}
	off := mustCompile(t, house())
	if text := off.String(); strings.Contains(text, "--dport 123 -j REDIRECT") {
		t.Error("the time is answered although nobody said so")
	}
}
