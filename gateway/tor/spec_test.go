package tor

import (
	"cmp"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/gateway/onion"
)

// Keys of RFC 7748, section 6.1, and an address of somebody else.
const (
	aliceSecret   onion.ClientSecret = "O4DW2CTTDCSX2PAWYFZFDMTGIXPUYL4H5PAJSKVRO752KHNZFQVA"
	bobKey        onion.ClientKey    = "32PNW7L3PXA3JU23MHBOZZBVG47YGQ6ILN4GOTNN7R7BI34IFNHQ"
	friendAddress onion.Address      = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid"
)

// plainSpec is a valid state with nothing optional in it.
func plainSpec() Spec {
	return Spec{
		Binary: "tor", UID: 102, GID: 105,
		DataDir: "/var/lib/tunic/tor", RunDir: "/run/tunic/tor", Torrc: "/run/tunic/torrc",
		TransPort: 9240, SocksPort: 9250, Socks: "/run/tunic/socks/tor.sock", DNSPort: 9253,
		Virtual4: netip.MustParsePrefix("10.192.0.0/16"), Virtual6: netip.MustParsePrefix("fd12:3456:789a::/48"),
	}
}

func fullSpec() Spec {
	s := plainSpec()
	s.Onions = []Onion{
		{Name: "home", Address: "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd", Dir: "/var/lib/tunic/onions/home",
			Socket: "/run/tunic/fronts/home.sock", Ports: []uint16{70}},
		{Name: "photos", Dir: "/var/lib/tunic/onions/photos", Socket: "/run/tunic/fronts/photos.sock", Ports: []uint16{80, 22},
			MaxStreams: 512, Clients: []onion.ClientKey{bobKey}},
		{Name: "nobody", Dir: "/var/lib/tunic/onions/nobody", Socket: "/run/tunic/fronts/nobody.sock", Ports: []uint16{80},
			Clients: []onion.ClientKey{}},
		{Name: "wiki", Dir: "/var/lib/tunic/onions/wiki", Socket: "/run/tunic/fronts/wiki.sock", Ports: []uint16{80},
			Balance: friendAddress},
	}
	s.Auth = []Auth{{Onion: friendAddress, Key: aliceSecret}}
	s.Maps = []Map{{Virtual: netip.MustParseAddr("10.192.0.7"), Onion: friendAddress},
		{Virtual: netip.MustParseAddr("fd12:3456:789a::7"), Onion: friendAddress}}
	s.Snippets = []Snippet{
		{File: "lab.conf", Text: "TestingTorNetwork 1\nDirAuthority a orport=5000 no-dirport v3ident=AA 203.0.113.1:7000 BB\n\n"},
		{File: "odd\nname.conf", Text: "EntryNodes {de}"},
	}
	return s
}

func TestRenderGolden(t *testing.T) {
	v4only := plainSpec()
	v4only.NoIPv6 = true
	versions := map[string]Version{"newer": unknownPorts} // the others are for 0.4.9.11
	for name, s := range map[string]Spec{"plain": plainSpec(), "full": fullSpec(), "v4only": v4only, "fast": fastSpec(),
		"newer": fullSpec()} {
		t.Run(name, func(t *testing.T) {
			v := cmp.Or(versions[name], Version{0, 4, 9, 11})
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", name+".torrc"))
			if err != nil {
				t.Fatal(err)
			}
			if got := Render(s, v); got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// fastSpec is a tor for onions that are not anonymous.
func fastSpec() Spec {
	s := fullSpec()
	s.SingleHop, s.TransPort, s.SocksPort, s.Socks, s.DNSPort, s.Auth, s.Maps = true, 0, 0, "", 0, nil, nil
	s.DataDir, s.RunDir, s.Torrc = "/var/lib/tunic/tor-fast", "/run/tunic/tor-fast", "/run/tunic/torrc-fast"
	return s
}

// A tor in single-hop mode has onions and nothing else.
func TestSingleHopHasOnionsAlone(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"a port":   func(s *Spec) { s.SocksPort = 9250 },
		"a socket": func(s *Spec) { s.Socks = "/run/tunic/socks/tor.sock" },
		"bridges":  func(s *Spec) { s.Bridges = []Bridge{{Line: "203.0.113.1:443"}} },
		"visits":   func(s *Spec) { s.Auth = fullSpec().Auth },
		"exits":    func(s *Spec) { s.Exits.Only = []string{"de"} },
	} {
		s := fastSpec()
		change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), "single-hop") {
			t.Errorf("%s: %v", name, err)
		}
	}
	slow := fastSpec()
	slow.SingleHop = false
	if reasons := RestartReasons(slow, fastSpec()); len(reasons) == 0 {
		t.Error("the mode changes without a restart")
	}
}

func TestEqualAndClone(t *testing.T) {
	a := fullSpec()
	b := a.Clone()
	if !a.Equal(b) {
		t.Fatal("a clone differs")
	}
	b.Onions[1].Ports[0] = 81
	b.Onions[1].Clients[0], b.Maps[0].Onion, b.Auth[0].Onion = "", "", ""
	b.Snippets[0].Text = ""
	if a.Equal(b) || !a.Equal(fullSpec()) {
		t.Error("a clone shares memory with its original")
	}
	empty := plainSpec()
	empty.Onions, empty.Snippets = []Onion{}, []Snippet{}
	if !empty.Equal(plainSpec()) {
		t.Error("nil and empty differ")
	}
	nobody := fullSpec()
	nobody.Onions[2].Clients = nil
	if nobody.Equal(fullSpec()) {
		t.Error("an onion for nobody is the same as one for everybody")
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"no binary":          {func(s *Spec) { s.Binary = "" }, "no binary"},
		"root":               {func(s *Spec) { s.UID = 0 }, "as root"},
		"relative directory": {func(s *Spec) { s.DataDir = "tor" }, "absolute"},
		"space":              {func(s *Spec) { s.Torrc = "/run/my torrc" }, "without spaces"},
		"line end":           {func(s *Spec) { s.DataDir = "/x\nSocksPort 1" }, "without spaces"},
		"comment":            {func(s *Spec) { s.Onions[0].Dir = "/x#y" }, "without spaces"},
		"long socket":        {func(s *Spec) { s.RunDir = "/" + strings.Repeat("r", 100) }, "longer than 107"},
		"long front":         {func(s *Spec) { s.Onions[0].Socket = "/" + strings.Repeat("r", 107) }, "longer than 107"},
		"no port":            {func(s *Spec) { s.DNSPort = 0 }, "three different ports"},
		"same ports":         {func(s *Spec) { s.DNSPort = s.SocksPort }, "three different ports"},
		"no range":           {func(s *Spec) { s.Virtual4 = netip.Prefix{} }, "virtual address ranges"},
		"swapped ranges":     {func(s *Spec) { s.Virtual4, s.Virtual6 = s.Virtual6, s.Virtual4 }, "virtual address ranges"},
		"unmasked range":     {func(s *Spec) { s.Virtual4 = netip.MustParsePrefix("10.192.0.1/16") }, "virtual address ranges"},
		"onion without port": {func(s *Spec) { s.Onions[1].Ports = nil }, `onion "photos"`},
		"onion with port 0":  {func(s *Spec) { s.Onions[1].Ports[0] = 0 }, `onion "photos"`},
		"streams":            {func(s *Spec) { s.Onions[1].MaxStreams = 65536 }, "no limit for streams"},
		"balance":            {func(s *Spec) { s.Onions[3].Balance = "x" }, "balanced for is none"},
		"balance, lines":     {func(s *Spec) { s.Onions[3].Balance += "\nx" }, "balanced for is none"},
		"balance, private":   {func(s *Spec) { s.Onions[3].Clients = s.Onions[1].Clients }, "publishes for everybody"},
		"no key":             {func(s *Spec) { s.Onions[1].Clients[0] = "" }, "the key of a client is none"},
		"key in lower case": {func(s *Spec) { s.Onions[1].Clients[0] = onion.ClientKey(strings.ToLower(string(bobKey))) },
			"the key of a client is none"},
		"key with a line":   {func(s *Spec) { s.Onions[1].Clients[0] += "\nx" }, "the key of a client is none"},
		"secret for nobody": {func(s *Spec) { s.Auth[0].Onion = "x" }, "keys for onions of others"},
		"no secret":         {func(s *Spec) { s.Auth[0].Key = "x" }, "keys for onions of others"},
		"two secrets":       {func(s *Spec) { s.Auth = append(s.Auth, s.Auth[0]) }, "keys for onions of others"},
		"strange address":   {func(s *Spec) { s.Maps[0].Virtual = netip.MustParseAddr("192.0.2.1") }, "outside the ranges"},
		"address for two":   {func(s *Spec) { s.Maps[1].Virtual = s.Maps[0].Virtual }, "it is taken"},
		"address of nobody": {func(s *Spec) { s.Maps[0].Onion = "" }, "leads to no onion"},
		"snippet":           {func(s *Spec) { s.Snippets[1].Text = "SocksPort 9" }, "SocksPort is set by tunic"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fullSpec()
			tc.change(&s)
			if err := s.Check(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Check = %v, want it to say %q", err, tc.want)
			}
		})
	}
}

func TestCheckSaysEverything(t *testing.T) {
	err := Spec{}.Check()
	for _, want := range []string{"no binary", "as root", "absolute", "ports", "ranges"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check = %v, want it to say %q", err, want)
		}
	}
}

func TestRestartReasons(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Spec)
		want   string // the only reason; "" for none
	}{
		"nothing":         {func(*Spec) {}, ""},
		"clients":         {func(s *Spec) { s.Onions[1].Clients = nil }, ""},
		"visits":          {func(s *Spec) { s.Auth, s.Maps = nil, nil }, ""},
		"onions":          {func(s *Spec) { s.Onions = s.Onions[:1] }, ""},
		"ports of onions": {func(s *Spec) { s.Onions[0].Ports[0] = 71 }, ""},
		"ranges":          {func(s *Spec) { s.Virtual4 = netip.MustParsePrefix("10.193.0.0/16") }, ""},
		"other lines":     {func(s *Spec) { s.Snippets[1].Text = "EntryNodes {at}\n# Sandbox 1\n" }, ""},
		"moved lines":     {func(s *Spec) { s.Snippets[0].File = "a.conf" }, ""},
		"binary":          {func(s *Spec) { s.Binary = "/opt/tor" }, "the tor binary changes"},
		"user":            {func(s *Spec) { s.UID = 103 }, "the user that tor runs as changes"},
		"data":            {func(s *Spec) { s.DataDir = "/d" }, "the data directory changes"},
		"control":         {func(s *Spec) { s.RunDir = "/r" }, "the control socket changes"},
		"torrc":           {func(s *Spec) { s.Torrc = "/t" }, "the place of the torrc changes"},
		"TransPort":       {func(s *Spec) { s.TransPort = 9041 }, "TransPort changes"},
		"SocksPort":       {func(s *Spec) { s.SocksPort = 9051 }, "SocksPort changes"},
		"start option":    {func(s *Spec) { s.Snippets[1].Text += "\nSandbox 1\n" }, "the start-only option Sandbox in torrc.d changes"},
		"its value": {func(s *Spec) { s.Snippets[0].Text = strings.Replace(s.Snippets[0].Text, "1", "0", 1) },
			"the start-only option TestingTorNetwork in torrc.d changes"},
		"its beginning":    {func(s *Spec) { s.Snippets[1].Text += "\n +sandb 1\n" }, "the start-only option Sandbox in torrc.d changes"},
		"removed":          {func(s *Spec) { s.Snippets = s.Snippets[1:] }, "the start-only option TestingTorNetwork in torrc.d changes"},
		"short for others": {func(s *Spec) { s.Snippets[1].Text += "\nNoE 1\n" }, "the start-only option NoExec in torrc.d changes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fullSpec()
			tc.change(&s)
			if got := strings.Join(RestartReasons(fullSpec(), s), "; "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	noIPv6 := plainSpec()
	noIPv6.NoIPv6 = true
	if got := strings.Join(RestartReasons(plainSpec(), noIPv6), "; "); got != "TransPort changes; DNSPort changes" {
		t.Errorf("without IPv6: %q", got)
	}
}
