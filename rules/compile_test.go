package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func mustCompile(t *testing.T, in Input) Ruleset {
	t.Helper()
	set, err := Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func rulesOf(t *testing.T, set Ruleset, f Family, table, chain string) []string {
	t.Helper()
	tab, _ := set.Table(f, table)
	c, ok := set.chain(tab, chain)
	if !ok {
		t.Fatalf("no chain %s in %v %s", chain, f, table)
	}
	return c.Rules
}

func TestCompileRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Input)
		want   string // in the error
	}{
		{"no interface", func(in *Input) { in.Interfaces = nil }, "needs an interface"},
		{"wildcard interface", func(in *Input) { in.Interfaces = []string{"eth+"} }, "eth+"},
		{"rule in a name", func(in *Input) { in.Interfaces = []string{"a -j ACCEPT"} }, "not a possible name"},
		{"newline in a name", func(in *Input) { in.Interfaces = []string{"a\nb"} }, "not a possible name"},
		{"long name", func(in *Input) { in.Interfaces = []string{strings.Repeat("a", 16)} }, "not a possible name"},
		{"loopback", func(in *Input) { in.Interfaces = []string{"lo"} }, "not lo"},
		{"option as name", func(in *Input) { in.Interfaces = []string{"-x"} }, "not a possible name"},
		{"dots", func(in *Input) { in.Interfaces = []string{".."} }, "not a possible name"},
		{"whole internet", func(in *Input) { in.Prefixes = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }, "no home network"},
		{"all IPv6", func(in *Input) { in.Prefixes = []netip.Prefix{netip.MustParsePrefix("2000::/3")} }, "no home network"},
		{"host bits", func(in *Input) { in.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.168.1.1/24")} }, "not a network address"},
		{"zero prefix", func(in *Input) { in.Prefixes = []netip.Prefix{{}} }, "not a network address"},
		{"loopback prefix", func(in *Input) { in.Prefixes = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, "loopback"},
		{"service at an address that is not virtual", func(in *Input) { in.Services[2].To = netip.MustParseAddr("192.168.77.1") },
			"virtual"},
		{"UDP service at every virtual address", func(in *Input) { in.Services[0].Virtual = true }, "TCP alone"},
		{"service at one and at every virtual address", func(in *Input) {
			in.Services[2].To, in.Services[2].Virtual = netip.MustParseAddr("10.192.0.1"), true
		}, "at no other"},
		{"two services on a port of virtual addresses", func(in *Input) {
			in.Services[1].Virtual, in.Services[2].Virtual, in.Services[2].Public = true, true, in.Services[1].Public
		}, "taken"},
		{"UDP service at an address", func(in *Input) { in.Services[0].To = netip.MustParseAddr("10.192.0.1") }, "TCP alone"},
		{"one service twice at an address", func(in *Input) {
			one := Service{Name: "x", Public: 80, Internal: 9386, To: netip.MustParseAddr("10.192.0.1")}
			in.Services = append(in.Services, one, one)
		}, "taken"},
		{"two services of one internal port", func(in *Input) {
			in.Services = append(in.Services, Service{Name: "x", Public: 80, Internal: 9386, To: netip.MustParseAddr("10.192.0.1")},
				Service{Name: "y", Public: 80, Internal: 9386, To: netip.MustParseAddr("10.192.0.2")})
		}, "taken"},
		{"MAC upper case", func(in *Input) { in.Devices[0].MAC = "02:00:00:00:00:AA" }, "MAC"},
		{"MAC short", func(in *Input) { in.Devices[0].MAC = "02:00:00:00:00" }, "MAC"},
		{"MAC group", func(in *Input) { in.Devices[0].MAC = "01:00:5e:00:00:01" }, "MAC"},
		{"MAC broken", func(in *Input) { in.Devices[0].MAC = "02:00:00:00:0:001" }, "MAC"},
		{"MAC zero", func(in *Input) { in.Devices[0].MAC = "00:00:00:00:00:00" }, "MAC"},
		{"device twice", func(in *Input) { in.Devices[1].MAC = in.Devices[0].MAC }, "twice"},
		{"device without policy", func(in *Input) { in.Devices[0].Policy = 0 }, "no possible policy"},
		{"policy too high", func(in *Input) { in.Devices[0].Policy = 16 }, "no possible policy"},
		{"no default", func(in *Input) { in.Default = 0 }, "default policy"},
		{"tor as root", func(in *Input) { in.Carriers[0].UID = 0 }, "not as root"},
		{"no TransPort", func(in *Input) { in.Carriers[0].TransPort = 0 }, "TransPort"},
		{"no DNSPort", func(in *Input) { in.Carriers[0].DNSPort = 0 }, "DNSPort"},
		{"no carrier", func(in *Input) { in.Carriers = nil }, "TransPort"},
		{"a second carrier as root", func(in *Input) { in.Carriers = append(in.Carriers, Carrier{}) }, "not as root"},
		{"two carriers of one user", func(in *Input) { in.Carriers = append(in.Carriers, Carrier{UID: 971}) },
			"two carriers run as the user 971"},
		{"two carriers of one user, closed", func(in *Input) { in.Mode, in.Carriers = Lockdown, append(in.Carriers, Carrier{UID: 971}) },
			"two carriers run as the user 971"},
		{"a second carrier on tor's port", func(in *Input) { in.Carriers = append(in.Carriers, Carrier{UID: 981, TransPort: 9253}) },
			"taken"},
		{"a carrier with another UDP", func(in *Input) { in.Carriers[0].UDP = AnyUDP + 1 }, "no possible UDP"},
		{"service on a second carrier's port", func(in *Input) {
			in.Carriers = append(in.Carriers, Carrier{UID: 981, TransPort: in.Services[1].Internal})
		}, "taken"},
		{"no DNS service", func(in *Input) { in.Services = in.Services[1:] }, "port 53"},
		{"DNS without UDP", func(in *Input) { in.Services[0].UDP = false }, "port 53"},
		{"service without port", func(in *Input) { in.Services[1].Internal = 0 }, "needs a public"},
		{"service on tor's port", func(in *Input) { in.Services[1].Internal = in.tor().TransPort }, "taken"},
		{"a service of lockdown at a virtual address", func(in *Input) {
			in.Services = append(in.Services, Service{Name: "x", Public: 80, Internal: 9384, To: in.Virtual4.Addr().Next(), When: Always})
		}, "own addresses"},
		{"a service of no state", func(in *Input) { in.Services[1].When = 3 }, "own addresses"},
		{"two services of lockdown on a port", func(in *Input) {
			in.Services[1].When, in.Services[2].When, in.Services[2].Public = Always, WhileClosed, in.Services[1].Public
		}, "taken"},
		{"two services on a port", func(in *Input) { in.Services[1].Public = 53 }, "taken"},
		{"no virtual range", func(in *Input) { in.Virtual6 = netip.Prefix{} }, "virtual ranges"},
		{"virtual range of the wrong family", func(in *Input) { in.Virtual6 = in.Virtual4 }, "not an IPv6"},
		{"virtual range in the household", func(in *Input) { in.Virtual4 = netip.MustParsePrefix("192.168.0.0/16") }, "overlaps"},
		{"virtual range link-local", func(in *Input) { in.Virtual6 = netip.MustParsePrefix("fe80::/32") }, "link-local"},
		{"exception without protocol", func(in *Input) { in.Exceptions[0].Protocol = 0 }, "no protocol"},
		{"exception without port", func(in *Input) { in.Exceptions[0].Port = 0 }, "not for one port"},
		{"exception with a port of ESP", func(in *Input) { in.Exceptions[0].Protocol = 50 }, "not for one port"},
		{"exception to nothing", func(in *Input) { in.Exceptions[0].To = netip.Prefix{} }, "no network"},
		{"exception to everything", func(in *Input) { in.Exceptions[0].To = netip.MustParsePrefix("0.0.0.0/0") }, "no network"},
		{"time server on tor's port", func(in *Input) { in.NTPPort = in.tor().TransPort }, "taken"},
		{"time server on a service's port", func(in *Input) { in.NTPPort = 9353 }, "taken"},
		{"own time on tor's port", func(in *Input) { in.OwnTor, in.OwnDNS, in.OwnTime = true, 9354, in.tor().TransPort }, "taken"},
		{"own questions on tor's port", func(in *Input) { in.OwnTor, in.OwnDNS = true, in.tor().DNSPort }, "DNS is taken"},
		{"own questions of traffic that goes direct", func(in *Input) { in.OwnDNS = 9354 }, "goes direct"},
		{"own time on the time server's port", func(in *Input) { in.OwnTor, in.OwnTime, in.NTPPort = true, 9323, 9323 }, "taken"},
		{"own time for traffic that goes direct", func(in *Input) { in.OwnTime = 9324 }, "goes direct"},
		{"service on the port of own time", func(in *Input) { in.OwnTor, in.OwnTime = true, in.Services[0].Internal }, "taken"},
		{"service on the time server's port", func(in *Input) { in.NTPPort, in.Services[1].Public = 9323, 123 }, "taken"},
		{"bypass of everything", func(in *Input) {
			in.Bypasses = []Bypass{{Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}}
		}, "wider"},
		{"bypass with host bits", func(in *Input) {
			in.Bypasses = []Bypass{{Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.1/24")}}}
		}, "no network"},
		{"bypass for nobody", func(in *Input) { in.Bypasses = []Bypass{{MACs: []string{"tv"}}} }, "MAC"},
		{"grant of nothing", func(in *Input) { in.Grants = []Grant{{MAC: "02:00:00:00:00:01"}} }, "grant"},
		{"grant for a rule", func(in *Input) {
			in.Grants = []Grant{{MAC: "x -j ACCEPT", To: netip.MustParseAddr("203.0.113.9")}}
		}, "grant"},
		{"mode", func(in *Input) { in.Mode = 7 }, "neither lockdown nor open"},
		{"other network with a rule for a name", func(in *Input) { in.Others = []string{"a -j ACCEPT"} }, "other network"},
		{"other network that is the household", func(in *Input) { in.Others = []string{"br-lan"} }, "other network"},
		{"inbound without a port", func(in *Input) { in.Inbound = []Inbound{{Protocol: ProtocolTCP}} }, "inbound"},
		{"inbound ESP", func(in *Input) { in.Inbound = []Inbound{{Protocol: 50, Port: 1}} }, "inbound"},
		{"a child's way without a port", func(in *Input) { in.Children = []Child{{UID: 7, May: []Way{{Protocol: ProtocolTCP}}}} },
			"port 0"},
		{"a child's ICMP", func(in *Input) { in.Children = []Child{{UID: 7, May: []Way{{Protocol: 1, Port: 1}}}} }, "protocol 1"},
		{"bridge with a rule for a name", func(in *Input) { in.Bridges = []string{"a -j ACCEPT"} }, "bridge"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := house()
			c.change(&in)
			_, err := Compile(in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestFamiliesAgree finds a rule that one family has and the other lacks: after
// the words of the families are made the same, the chains must be equal.
func TestFamiliesAgree(t *testing.T) {
	in := house()
	in.Exceptions, in.Prefixes, in.Children = nil, nil, []Child{{UID: 972, May: []Way{{Protocol: ProtocolTCP, Port: 80}}}}
	in.OwnTor = true
	in.Others, in.Bridges, in.Inbound = []string{"wg0"}, []string{"docker0"}, []Inbound{{Protocol: ProtocolTCP, Port: 22}}
	set := mustCompile(t, in)
	for _, four := range set.Tables[:3] {
		six, _ := set.Table(IPv6, four.Name)
		for i, c := range four.Chains {
			a, b := normalize(c.Rules), normalize(six.Chains[i].Rules)
			if c.Name != six.Chains[i].Name || !slices.Equal(a, b) {
				t.Errorf("%s differs:\n%s\n--- and\n%s", c.Name, strings.Join(a, "\n"), strings.Join(b, "\n"))
			}
		}
	}
}

// normalize drops what only one family can have: on-link addresses, neighbour discovery, and
// the kernel's own resets by a socket.
func normalize(rules []string) []string {
	onlyHere := regexp.MustCompile(`^-[ds] (169\.254|224\.|255\.|fe80|ff00)|^-p ipv6-icmp .*--icmpv6-type 1(33|34|35|36|43) |-o \S+ ` +
		`.*type 134|` +
		`--icmp-type (3|11|12) -j RETURN$|--icmpv6-type (1|2|3|4|130) -j RETURN$|--dport (68|546) -j RETURN$|^-s ` +
		`(10\.0|172\.|192\.168\.0\.0|fc00)|--ctdir ORIGINAL -m tcp --tcp-flags RST RST`)
	same := strings.NewReplacer(
		"mask 32 ", "mask ADDRESS ", "mask 128 ", "mask ADDRESS ",
		"127.0.0.0/8", "LOOPBACK", "::1/128", "LOOPBACK",
		"10.192.0.0/16", "VIRTUAL", "fdc7:7a3e:91b2::/48", "VIRTUAL",
		"icmp6-adm-prohibited", "PROHIBITED", "icmp-admin-prohibited", "PROHIBITED",
		"icmp6-port-unreachable", "UNREACHABLE", "icmp-port-unreachable", "UNREACHABLE",
		"-p ipv6-icmp -m icmp6 --icmpv6-type 1/4", "NOPORT", "-p icmp -m icmp --icmp-type 3/3", "NOPORT",
		"-p ipv6-icmp -m icmp6 --icmpv6-type 137", "REDIRECTED", "-p icmp -m icmp --icmp-type 5", "REDIRECTED",
		"-p ipv6-icmp", "ICMP", "-p icmp", "ICMP",
		"--sport 68 --dport 67", "DHCP", "--sport 546 --dport 547", "DHCP",
	)
	var out []string
	for _, r := range rules {
		if !onlyHere.MatchString(r) {
			out = append(out, same.Replace(r))
		}
	}
	return out
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	want := mustCompile(t, house())
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		in := house()
		random.Shuffle(len(in.Devices), func(i, j int) { in.Devices[i], in.Devices[j] = in.Devices[j], in.Devices[i] })
		random.Shuffle(len(in.Prefixes), func(i, j int) { in.Prefixes[i], in.Prefixes[j] = in.Prefixes[j], in.Prefixes[i] })
		random.Shuffle(len(in.Services), func(i, j int) { in.Services[i], in.Services[j] = in.Services[j], in.Services[i] })
		if got := mustCompile(t, in); !got.Equal(want) {
			t.Fatalf("other rules for the same household: %v", Diff(want, got))
		}
	}
}

func TestCompileLeavesInputAlone(t *testing.T) {
	in := house()
	slices.Reverse(in.Devices)
	before := fmt.Sprint(in)
	mustCompile(t, in)
	if after := fmt.Sprint(in); after != before {
		t.Errorf("input changed to %s", after)
	}
}

// TestChainsNeverChange keeps names that older versions left in kernels: they
// must be the same in every mode.
func TestChainsNeverChange(t *testing.T) {
	want := "TUNIC-INPUT TUNIC-CLOSED TUNIC-UPLINK TUNIC-FORWARD TUNIC-WIRE TUNIC-FROM TUNIC-POLICY TUNIC-TO TUNIC-OUTPUT TUNIC-CHILD " +
		"TUNIC-REFUSE " +
		"TUNIC-CLASSIFY TUNIC-DEVICE TUNIC-BYPASS TUNIC-SENT TUNIC-PASS TUNIC-GATE TUNIC-HOME TUNIC-LEAVE TUNIC-POST TUNIC-REDIRECT " +
		"TUNIC-LAN TUNIC-FULL TUNIC-TRANS TUNIC-SINK TUNIC-OWN TUNIC-SNAT"
	for name, in := range scenarios() {
		set := mustCompile(t, in)
		for _, tables := range [][]Table{set.Tables[:3], set.Tables[3:]} {
			var names []string
			for _, table := range tables {
				for _, c := range table.Chains {
					names = append(names, c.Name)
				}
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

// TestJumpsLead checks that every jump leads to a chain of the same table, and
// every hook too.
func TestJumpsLead(t *testing.T) {
	jump := regexp.MustCompile(`-[jg] (TUNIC-\S+)`)
	for name, in := range scenarios() {
		for _, table := range mustCompile(t, in).Tables {
			have := make(map[string]bool)
			for _, c := range table.Chains {
				have[c.Name] = true
			}
			for _, m := range jump.FindAllStringSubmatch(table.Text(), -1) {
				if !have[m[1]] {
					t.Errorf("%s: %v %s jumps to %s, which is not there", name, table.Family, table.Name, m[1])
				}
			}
			for _, h := range HooksOf(table.Name) {
				if !have[h.Chain] {
					t.Errorf("%s: hook %v leads nowhere", name, h)
				}
			}
		}
	}
}

// ledHome leads to what is served in lockdown, at the box's own addresses alone.
var ledHome = regexp.MustCompile(
	`^-p (tcp|udp) -m (tcp|udp) --dport (80|443|53) -m addrtype --dst-type LOCAL -j REDIRECT --to-ports 93(55|84|85)$`)

// TestLockdownIsClosed looks for any way through in the closed state.
func TestLockdownIsClosed(t *testing.T) {
	for name, in := range scenarios() {
		if in.Mode == Open || len(in.Guests) > 0 { // TestExplain sends packets through those
			continue
		}
		set := mustCompile(t, in)
		for _, f := range Families() {
			for _, chain := range []string{chainForward, chainFrom, chainPolicy, chainTo} {
				for _, rule := range rulesOf(t, set, f, "filter", chain) {
					if (strings.Contains(rule, "RETURN") || strings.Contains(rule, "ACCEPT")) && rule != "-i docker0 -o docker0 -j RETURN" {
						t.Errorf("%s: %v %s lets pass: %s", name, f, chain, rule)
					}
				}
			}
			if rules := rulesOf(t, set, f, "nat", chainSNAT); len(rules) != 0 {
				t.Errorf("%s: %v %s is not empty: %v", name, f, chainSNAT, rules)
			}
			rules := rulesOf(t, set, f, "nat", chainLAN)
			if name == "lockdown-served" {
				rules = slices.DeleteFunc(rules, func(r string) bool {
					return ledHome.MatchString(r) || r == "-m connmark --mark "+
						"0x4000000/0xf000000 -g "+chainSink
				})
			}
			if !slices.Equal(rules, []string{"-g " + chainSink}) {
				t.Errorf("%s: %v %s leads elsewhere: %v", name, f, chainLAN, rules)
			}
			if rules := rulesOf(t, set, f, "mangle", chainLeave); len(rules) != 0 {
				t.Errorf("%s: %v %s is not empty: %v", name, f, chainLeave, rules)
			}
		}
	}
}

// servedOnly accepts what was redirected to the ports that are served in lockdown, from
// the household.
var servedOnly = regexp.MustCompile(
	`^-s \S+ -i br-lan -p (tcp|udp) -m (tcp|udp) --dport 93(55|84|85) -m conntrack --ctstate DNAT -j ACCEPT$`)

// TestLittleIsAccepted: a packet that we let pass goes on to the owner's rules,
// but for what we have redirected to our own ports, and what the box says to itself.
func TestLittleIsAccepted(t *testing.T) {
	for name, in := range scenarios() {
		for _, table := range mustCompile(t, in).Tables {
			for _, c := range table.Chains {
				for _, rule := range c.Rules {
					ours := c.Name == chainInput && rule == "-i lo -j ACCEPT" ||
						c.Name == chainClosed && in.Mode == Open && strings.HasSuffix(rule, "-m conntrack --ctstate DNAT -j ACCEPT") ||
						c.Name == chainClosed && name == "lockdown-served" && servedOnly.MatchString(rule)
					if strings.Contains(rule, "ACCEPT") && !ours {
						t.Errorf("%s: %s accepts: %s", name, c.Name, rule)
					}
				}
			}
		}
	}
}

// TestWhatIsNotNamedEnds: in each state the last word about what is forwarded, and
// about what comes to the box from an interface that nobody has named, is no.
func TestWhatIsNotNamedEnds(t *testing.T) {
	for name, in := range scenarios() {
		set := mustCompile(t, in)
		for _, f := range Families() {
			for _, chain := range []string{chainForward, chainUplink, chainClosed} {
				if r := rulesOf(t, set, f, "filter", chain); r[len(r)-1] != "-j DROP" {
					t.Errorf("%s: %v %s ends with %s", name, f, chain, r[len(r)-1])
				}
			}
			if r := rulesOf(t, set, f, "filter", chainInput); r[len(r)-1] != "-g "+chainUplink {
				t.Errorf("%s: %v %s ends with %s", name, f, chainInput, r[len(r)-1])
			}
		}
	}
}

func FuzzInterfaceAndMAC(f *testing.F) {
	f.Add("eth0", "02:00:00:00:00:01")
	f.Add("a -j ACCEPT", "02:00:00:00:00:01 -j ACCEPT")
	f.Add("x\n-A INPUT", "02:00:00:00:00:0\n")
	f.Fuzz(func(t *testing.T, name, mac string) {
		in := house()
		in.Interfaces, in.Devices = []string{name}, []Device{{MAC: mac, Policy: Block}}
		set, err := Compile(in)
		if err != nil {
			return
		}
		plain := house()
		plain.Devices = plain.Devices[2:3]
		lines := strings.Count(mustCompile(t, plain).String(), "\n")
		if got := strings.Count(set.String(), "\n"); got != lines || strings.ContainsAny(name+mac, " \t\n\"'+!") {
			t.Errorf("%q and %q were let into the rules", name, mac)
		}
	})
}
