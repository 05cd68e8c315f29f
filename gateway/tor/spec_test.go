package tor

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plainSpec is a valid state with nothing optional in it.
func plainSpec() Spec {
	return Spec{
		Binary: "tor", UID: 102, GID: 105,
		DataDir: "/var/lib/tunic/tor", RunDir: "/run/tunic/tor", Torrc: "/run/tunic/torrc",
		TransPort: 9240, SocksPort: 9250, DNSPort: 9253,
		Virtual4: netip.MustParsePrefix("10.192.0.0/16"), Virtual6: netip.MustParsePrefix("fd12:3456:789a::/48"),
	}
}

func fullSpec() Spec {
	s := plainSpec()
	s.Onions = []Onion{
		{Name: "home", Address: "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd", Dir: "/var/lib/tunic/onions/home", Socket: "/run/tunic/fronts/home.sock", Ports: []uint16{70}},
		{Name: "photos", Dir: "/var/lib/tunic/onions/photos", Socket: "/run/tunic/fronts/photos.sock", Ports: []uint16{80, 22}},
	}
	s.Snippets = []Snippet{
		{File: "lab.conf", Text: "TestingTorNetwork 1\nDirAuthority a orport=5000 no-dirport v3ident=AA 203.0.113.1:7000 BB\n\n"},
		{File: "odd\nname.conf", Text: "EntryNodes {de}"},
	}
	return s
}

func TestRenderGolden(t *testing.T) {
	v4only := plainSpec()
	v4only.NoIPv6 = true
	for name, s := range map[string]Spec{"plain": plainSpec(), "full": fullSpec(), "v4only": v4only} {
		t.Run(name, func(t *testing.T) {
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", name+".torrc"))
			if err != nil {
				t.Fatal(err)
			}
			if got := Render(s); got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestEqualAndClone(t *testing.T) {
	a := fullSpec()
	b := a.Clone()
	if !a.Equal(b) {
		t.Fatal("a clone differs")
	}
	b.Onions[1].Ports[0] = 81
	b.Snippets[0].Text = ""
	if a.Equal(b) || !a.Equal(fullSpec()) {
		t.Error("a clone shares memory with its original")
	}
	empty := plainSpec()
	empty.Onions, empty.Snippets = []Onion{}, []Snippet{}
	if !empty.Equal(plainSpec()) {
		t.Error("nil and empty differ")
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
		"snippet":            {func(s *Spec) { s.Snippets[1].Text = "SocksPort 9" }, "SocksPort is set by tunic"},
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
		"nothing":          {func(*Spec) {}, ""},
		"onions":           {func(s *Spec) { s.Onions = s.Onions[:1] }, ""},
		"ports of onions":  {func(s *Spec) { s.Onions[0].Ports[0] = 71 }, ""},
		"ranges":           {func(s *Spec) { s.Virtual4 = netip.MustParsePrefix("10.193.0.0/16") }, ""},
		"other lines":      {func(s *Spec) { s.Snippets[1].Text = "EntryNodes {at}\n# Sandbox 1\n" }, ""},
		"moved lines":      {func(s *Spec) { s.Snippets[0].File = "a.conf" }, ""},
		"binary":           {func(s *Spec) { s.Binary = "/opt/tor" }, "the tor binary changes"},
		"user":             {func(s *Spec) { s.UID = 103 }, "the user that tor runs as changes"},
		"data":             {func(s *Spec) { s.DataDir = "/d" }, "the data directory changes"},
		"control":          {func(s *Spec) { s.RunDir = "/r" }, "the control socket changes"},
		"torrc":            {func(s *Spec) { s.Torrc = "/t" }, "the place of the torrc changes"},
		"TransPort":        {func(s *Spec) { s.TransPort = 9041 }, "TransPort changes"},
		"SocksPort":        {func(s *Spec) { s.SocksPort = 9051 }, "SocksPort changes"},
		"start option":     {func(s *Spec) { s.Snippets[1].Text += "\nSandbox 1\n" }, "the start-only option Sandbox in torrc.d changes"},
		"its value":        {func(s *Spec) { s.Snippets[0].Text = strings.Replace(s.Snippets[0].Text, "1", "0", 1) }, "the start-only option TestingTorNetwork in torrc.d changes"},
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
