package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestLoadDefaults(t *testing.T) {
	p := newBox(t, nil)
	got, err := Load(p)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Household: Household{Interfaces: []string{"br-lan"}, DefaultPolicy: PolicyTor},
		Gateway:   Gateway{OwnTraffic: OwnTor, Metrics: MetricsOff, Page: true, Talk: true, NTP: true},
		Tor:       Tor{Binary: "tor", OverTor: OverTorRefuse},
		Socks:     Socks{Port: 9050},
		Notices:   Notices{Severity: SeverityWarning},
		Inbox:     Inbox{Quota: 2_000_000_000},
		Files:     got.Files,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load() = %+v\nwant %+v", got, want)
	}
}

func TestLoadEverything(t *testing.T) {
	p := newBox(t, map[string]string{
		"tunic.toml": `
[household]
interfaces = ["br-lan", "wlan0.1"]
default-policy = "onion"
one-arm = true
[gateway]
own-traffic = "direct"
other-networks = ["docker0", "wg0"]
inbound = ["tcp/22", "udp/51820"]
[tor]
binary = "/opt/tor/bin/tor"
[socks]
port = 1080
[[dns.forward]]
domain = "Lan."
server = "192.168.1.1"
[[dns.forward]]
domain = "168.192.in-addr.arpa"
server = "[fd00::1]:5353"
`,
		"devices/phone.toml":    `mac = "02-00-5E-10-00-0A"`,
		"devices/console.toml":  "mac = \"02:00:5e:10:00:0b\"\npolicy = \"direct\"\n",
		"onions/home.toml":      "public = true\n[ports]\n70 = \"endpoint:gopher\"\n",
		"onions/photos.toml":    "[ports]\n8080 = \"[fd77::20]:8080\"\n80 = \"192.168.77.20:8080\"\n22 = \"unix:/srv/ssh.sock\"\n",
		"onions/link.toml":      "[ports]\n80 = \"[fe80::1%br-lan]:80\"\n",
		"endpoints/gopher.toml": `root = "$ROOT/srv/"`,
		"torrc.d/bridges.conf":  "UseBridges 1\n",
		"torrc.d/Another.conf":  "# nothing\n",

		// what editors and package managers leave
		"onions/.photos.toml.swp":    "x",
		"onions/photos.toml~":        "x",
		"onions/photos.toml.bak":     "x",
		"onions/#photos.toml#":       "x",
		"devices/tv.toml.dpkg-dist":  "x",
		"torrc.d/bridges.conf-opkg":  "x",
		"endpoints/.gopher.toml.123": "x",
	})
	want := &Config{
		Household: Household{Interfaces: []string{"br-lan", "wlan0.1"}, DefaultPolicy: PolicyOnion, OneArm: true},
		Gateway: Gateway{OwnTraffic: OwnDirect, Metrics: MetricsOff, Page: true, Talk: true, NTP: true,
			OtherNetworks: []string{"docker0", "wg0"},
			Inbound:       []Inbound{{protoTCP, 22}, {protoUDP, 51820}}},
		Tor: Tor{Binary: "/opt/tor/bin/tor", OverTor: OverTorRefuse},
		DNS: DNS{Forward: []Forward{
			{Domain: "lan", Server: netip.MustParseAddrPort("192.168.1.1:53")},
			{Domain: "168.192.in-addr.arpa", Server: netip.MustParseAddrPort("[fd00::1]:5353")},
		}},
		Socks:   Socks{Port: 1080},
		Notices: Notices{Severity: SeverityWarning},
		Inbox:   Inbox{Quota: 2_000_000_000},
		Devices: []Device{
			{Name: "console", MAC: "02:00:5e:10:00:0b", Policy: PolicyDirect},
			{Name: "phone", MAC: "02:00:5e:10:00:0a", Policy: PolicyOnion},
		},
		Onions: []Onion{
			{Name: "home", Public: true, Ports: []Port{{70, Target{Endpoint: "gopher"}}}},
			{Name: "link", Ports: []Port{{80, Target{Addr: netip.MustParseAddrPort("[fe80::1%br-lan]:80")}}}},
			{Name: "photos", Ports: []Port{
				{22, Target{Unix: "/srv/ssh.sock"}},
				{80, Target{Addr: netip.MustParseAddrPort("192.168.77.20:8080")}},
				{8080, Target{Addr: netip.MustParseAddrPort("[fd77::20]:8080")}},
			}},
		},
		Endpoints: []Endpoint{{Name: "gopher", Root: filepath.Join(p.Root, "srv")}},
		Torrc:     []Snippet{{File: "Another.conf", Text: "# nothing\n"}, {File: "bridges.conf", Text: "UseBridges 1\n"}},
	}
	for range 2 { // two loads are equal
		got, err := Load(p)
		if err != nil {
			t.Fatal(err)
		}
		if want.Files == nil {
			want.Files = got.Files
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("Load() = %+v\nwant %+v", got, want)
		}
	}
}

func TestLoadNothing(t *testing.T) {
	p := NewPaths(t.TempDir())
	_, err := Load(p)
	lines := errorLines(p, err)
	if len(lines) < 5 || lines[0] != "tunic.toml: does not exist" || !strings.HasPrefix(lines[1], "    \"tunic setup\" asks") {
		t.Errorf("Load without a file:\n%s", strings.Join(lines, "\n"))
	}
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 1 {
		t.Errorf("Load without a file returned %#v, want one Error in Errors", err)
	}
}

// TestLoadHintWorks does what the hint for a missing file says.
func TestLoadHintWorks(t *testing.T) {
	_, example, _ := strings.Cut(mainExample, "\n")
	if _, err := Load(newBox(t, map[string]string{"tunic.toml": example})); err != nil {
		t.Error(err)
	}
}

func TestExample(t *testing.T) {
	asItIs, err := Load(newBox(t, map[string]string{"tunic.toml": Example()}))
	if err != nil {
		t.Fatal(err)
	}
	// With the comment signs before its keys removed it says the defaults.
	var all []string
	for line := range strings.SplitSeq(Example(), "\n") {
		if rest := strings.TrimPrefix(line, "#"); !strings.HasPrefix(rest, " ") {
			line = rest
		}
		all = append(all, line)
	}
	full, err := Load(newBox(t, map[string]string{"tunic.toml": strings.Join(all, "\n")}))
	if err != nil {
		t.Fatal(err)
	}
	if len(full.DNS.Forward) != 1 {
		t.Errorf("forwards in the example: %v", full.DNS.Forward)
	}
	if len(full.Bypasses) != 1 {
		t.Errorf("bypasses in the example: %v", full.Bypasses)
	}
	full.DNS.Forward, full.Bypasses, full.Files = nil, nil, asItIs.Files
	if !reflect.DeepEqual(asItIs, full) {
		t.Errorf("the example says of itself %+v\nbut what it calls the defaults is %+v", asItIs, full)
	}
}

// TestHomes: what the daemon's unit hides from it is refused by everybody.
func TestHomes(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/root", link); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"/root", "/home/bob/gopher", "/run/user/1000", link} {
		p := (&loader{}).checkRoot(root)
		if p == nil || !strings.Contains(p.msg, "from a home") {
			t.Errorf("%s: %+v", root, p)
		}
	}
	if p := (&loader{}).checkRoot(t.TempDir()); p != nil {
		t.Errorf("another directory: %+v", p)
	}
}

// TestLoadReportsEverything has a mistake of each kind in each file.
func TestLoadReportsEverything(t *testing.T) {
	p := newBox(t, map[string]string{
		"tunic.toml":             "[household]\ninterface = [\"br-lan\"]\ndefault-policy = 3\n[socks]\nport = 0\n[sokcs]\n",
		"devices/phone.toml":     "mac = \"zz\"\npolicy = \"tro\"\n",
		"onions/photos.toml":     "[ports]\n80 = \"nas_x:80\"\n81 = \"192.168.1.9\"\n",
		"onions/Blog.toml":       "[ports]\n",
		"endpoints/finger.toml":  "root = \"/\"\n",
		"endpoints/gopher.toml":  "root = \"$ROOT/nowhere\"\n",
		"torrc.d/bridges.config": "UseBridges 1\n",
	})
	want := []string{
		`tunic.toml:1: household.interfaces: missing`,
		`    name the household's interfaces, like interfaces = ["br-lan"] ("ip link" lists them)`,
		`tunic.toml:2: household.interface: unknown key`,
		`    did you mean "interfaces"?`,
		`tunic.toml:3: household.default-policy: must be text in quotes, not a number`,
		`tunic.toml:5: socks.port: 0 is no port: 1 to 65535`,
		`tunic.toml:6: sokcs: unknown key`,
		`    did you mean "socks"?`,
		`devices/phone.toml:1: mac: "zz" is not a hardware address`,
		`    six pairs of hexadecimal digits, like "02:00:5e:10:00:01"`,
		`devices/phone.toml:2: policy: "tro" is none of tor, onion, direct, block`,
		`    did you mean "tor"?`,
		`endpoints/finger.toml: tunic has no endpoint called "finger"`,
		`    there is: gopher, irc, smtp, xmpp`,
		`endpoints/gopher.toml:1: root: $ROOT/nowhere does not exist`,
		`    make it: mkdir -p $ROOT/nowhere`,
		`onions/Blog.toml: the name "Blog" has upper-case letters`,
		`    call it "blog"`,
		`onions/photos.toml:2: ports.80: "nas_x" is neither an IP address nor the name of a host`,
		`    a target is "ADDRESS:PORT", "[IPv6]:PORT", "NAME:PORT", "unix:/PATH" or "endpoint:NAME"`,
		`onions/photos.toml:3: ports.81: "192.168.1.9" has no port`,
		`    write "192.168.1.9:80"`,
		`torrc.d/bridges.config: only files called NAME.conf belong here`,
		`    rename it, or append .bak to have it ignored`,
	}
	cfg, err := Load(p)
	if got := errorLines(p, err); !slices.Equal(got, want) {
		t.Errorf("Load:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if cfg != nil {
		t.Error("a configuration beside the errors")
	}
	var one Error
	if !errors.As(err, &one) || one.Key != "household.interfaces" || one.Line != 1 || one.Column != 2 {
		t.Errorf("first error %#v", one)
	}
}

func TestLoadOddFiles(t *testing.T) {
	p := newBox(t, map[string]string{
		"devices/a.toml/x":  "",
		"onions/big.toml":   strings.Repeat("#", maxFileSize+1),
		"torrc.d/odd.conf":  "a\x00b",
		"onions/utf.toml":   "[ports]\n80 = \"\xff\"\n",
		"onions/x.y.toml":   "",
		"onions/dup.toml":   "[ports]\n80 = \"10.0.0.1:80\"\n80 = \"10.0.0.2:80\"\n",
		"devices/-x.toml":   "",
		"devices/link.toml": "",
	})
	link := filepath.Join(p.DeviceDir(), "link.toml")
	if err := errors.Join(os.Remove(link), os.Symlink("nowhere", link)); err != nil {
		t.Fatal(err)
	}
	// A pipe without a writer must not hold up the daemon.
	if err := syscall.Mkfifo(filepath.Join(p.DeviceDir(), "pipe.toml"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(p)
	want := []string{
		`devices/-x.toml: "-x" is not a valid name`,
		`devices/a.toml: cannot be read: not a regular file`,
		`devices/link.toml: cannot be read: no such file or directory`,
		`devices/pipe.toml: cannot be read: not a regular file`,
		`onions/big.toml: cannot be read: larger than 1048576 bytes`,
		`onions/dup.toml:3: 80: it stands here a second time`,
		`onions/utf.toml:2: column 7: it is not UTF-8`,
		`onions/x.y.toml: "x.y" is not a valid name`,
		`torrc.d/odd.conf: cannot be read: it holds a zero byte: not a text file`,
	}
	if got := mistakes(p, err); !slices.Equal(got, want) {
		t.Errorf("Load:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(0, Example())
	f.Add(0,
		"household.interfaces = [ \"a\", # why\n [2], {x.y = 1} ]\n[[dns.forward]]\ndomain=\"x\"\n[dns.forward.more]\n[[dns.forward]]\n")
	f.Add(1, "mac = \"02:00:5e:10:00:01\"\npolicy = 'tor'\n")
	f.Add(2, "public = true\nports = { 80 = \"192.168.1.1:80\", \"a.b\" = [[]] }\n")
	f.Add(3, "root = \"/srv\"\n")
	f.Add(4, "UseBridges 1\n")
	names := []string{"tunic.toml", "devices/a.toml", "onions/home.toml", "endpoints/gopher.toml", "torrc.d/a.conf"}
	f.Fuzz(func(t *testing.T, which int, text string) {
		name := names[uint(which)%uint(len(names))]
		p := newBox(t, map[string]string{name: text})
		cfg, err := Load(p)
		if (cfg == nil) == (err == nil) {
			t.Fatalf("Load() = %v, %v", cfg, err)
		}
		var errs Errors
		if err != nil && !errors.As(err, &errs) {
			t.Fatalf("Load returned a %T", err)
		}
		for _, e := range errs {
			if e.File == "" || e.Msg == "" || (e.Line == 0) != (e.Column == 0) || e.Line > strings.Count(text, "\n")+1 {
				t.Errorf("odd error %#v", e)
			}
		}
	})
}

// FuzzDocument is FuzzLoad without the disk, for what reads the text.
func FuzzDocument(f *testing.F) {
	f.Add(Example())
	f.Add("household.interfaces = [ \"a\", # why\n [2], {x.y = 1} ]\n[[dns.forward]]\ndomain=\"x\"\n[dns.forward.more]\n[[dns.forward]]\n")
	f.Add("public = true\n'a.b' = [[{c = 1}], []]\nports = { 80 = \"192.168.1.1:80\", \"a.b\" = [[]] }\n")
	f.Fuzz(func(t *testing.T, text string) {
		doc, top := parseDocument("f", []byte(text))
		readMain(top, &Config{})
		readOnion("home", top)
		top.finish()
		for _, e := range doc.errs {
			if e.Msg == "" || (e.Line == 0) != (e.Column == 0) || e.Line > strings.Count(text, "\n")+1 {
				t.Errorf("odd error %#v", e)
			}
		}
	})
}
