package tor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	bridgePrint = "0123456789ABCDEF0123456789ABCDEF01234567"
	bridgeCert  = "ssH+9rP8dG2NLDN2XuFw63hIO/9MNNinLmxQDpVa+7kTOa9/m+tGWT1SmSYpQ9uTBGa6Hw"
	bridgeLine  = "obfs4 203.0.113.20:9443 " + bridgePrint + " cert=" + bridgeCert + " iat-mode=0"
)

// bridgedSpec enters by two bridges and leaves in two countries.
func bridgedSpec() Spec {
	s := plainSpec()
	s.Bridges = []Bridge{{"obfs4", bridgeLine}, {"", "[2001:db8::20]:9001 " + bridgePrint},
		{"meek_lite", "meek_lite 192.0.2.3:80 " + bridgePrint + " url=https://meek.example/"}}
	s.Plugins = []Plugin{{"obfs4", "/usr/bin/obfs4proxy"}, {"meek_lite", "/usr/bin/obfs4proxy"}}
	s.Exits = Exits{Only: []string{"de", "nl"}, Exclude: []string{"us"}, GeoIP: GeoIP{"/usr/share/tor/geoip", "/usr/share/tor/geoip6"}}
	s.IsolateDestinations = true
	return s
}

func TestRenderBridged(t *testing.T) {
	s := bridgedSpec()
	s.Snippets = []Snippet{{File: "owner.conf", Text: "UseBridges 0\n"}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	text := Render(s, Version{})
	for _, want := range []string{
		"TransPort 0.0.0.0:9240 IsolateDestAddr\nTransPort [::]:9240 IsolateDestAddr\n",
		"SocksPort 127.0.0.1:9250 IsolateSOCKSAuth ExtendedErrors IsolateDestAddr\n",
		"GeoIPFile /usr/share/tor/geoip\nGeoIPv6File /usr/share/tor/geoip6\nExitNodes {de},{nl}\nExcludeExitNodes {us}\n",
		"UseBridges 1\nUpdateBridgesFromAuthority 0\nClientTransportPlugin obfs4,meek_lite exec /usr/bin/obfs4proxy\nBridge " + bridgeLine +
			"\nBridge [2001:db8::20]:9001 ",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("want once\n%s\nin\n%s", want, text)
		}
	}
	if strings.Index(text, "UseBridges 1") < strings.Index(text, "UseBridges 0") {
		t.Error("the owner's line has the last word")
	}
}

func TestCheckRefusesBridges(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"no program": {func(s *Spec) { s.Plugins = s.Plugins[1:] }, "transport obfs4 needs the program lyrebird or obfs4proxy"},
		"unknown":    {func(s *Spec) { s.Bridges[0].Transport = "scramblesuit" }, "no program is known for the transport scramblesuit"},
		"two lines":  {func(s *Spec) { s.Bridges[0].Line += "\nSocksPort 1" }, "cannot be written"},
		"no line":    {func(s *Spec) { s.Bridges[0].Line = "" }, "cannot be written"},
		"program":    {func(s *Spec) { s.Plugins[0].Path = "/opt/my plugin" }, "without spaces"},
		"country":    {func(s *Spec) { s.Exits.Only[0] = "}de" }, "no code of a country"},
		"no geoip":   {func(s *Spec) { s.Exits.GeoIP = GeoIP{} }, "absolute"},
	} {
		s := bridgedSpec()
		tc.change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		} else if strings.Contains(err.Error(), bridgeCert) {
			t.Errorf("%s: the error tells the bridge: %v", name, err)
		}
	}
}

func TestBridgedClone(t *testing.T) {
	a, b := bridgedSpec(), bridgedSpec().Clone()
	if !a.Equal(b) {
		t.Fatal("a clone differs")
	}
	b.Bridges[0].Line, b.Plugins[0].Path, b.Exits.Only[0] = "x", "/x", "fr"
	if a.Equal(b) || !a.Equal(bridgedSpec()) {
		t.Error("a clone shares memory with its original")
	}
}

// Only what tor would keep old connections for, or refuses, needs a restart.
func TestRestartForBridges(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"bridges come": {func(s *Spec) { s.Bridges, s.Plugins = bridgedSpec().Bridges, bridgedSpec().Plugins },
			"the way into the network (bridges) changes"},
		"isolation": {func(s *Spec) { s.IsolateDestinations = true }, "the isolation of destinations changes"},
		"exits":     {func(s *Spec) { s.Exits = bridgedSpec().Exits }, ""},
		"nothing":   {func(*Spec) {}, ""},
	} {
		next := plainSpec()
		tc.change(&next)
		for _, pair := range [][2]Spec{{plainSpec(), next}, {next, plainSpec()}} {
			if got := strings.Join(RestartReasons(pair[0], pair[1]), ", "); got != tc.want {
				t.Errorf("%s: %q, want %q", name, got, tc.want)
			}
		}
	}
	other := bridgedSpec()
	other.Plugins[0].Path = "/usr/bin/lyrebird"
	if len(RestartReasons(bridgedSpec(), other)) != 1 {
		t.Error("another program needs no restart")
	}
}

func TestFindTransport(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	var missing *MissingTransportError
	if _, err := FindTransport("obfs4"); !errors.As(err, &missing) ||
		!strings.Contains(err.Error(), "install the package lyrebird (from deb.torproject.org) or obfs4proxy") {
		t.Errorf("nothing there: %v", err)
	}
	for _, name := range []string{"obfs4proxy", "lyrebird"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if p, err := FindTransport("obfs4"); err != nil || p != (Plugin{"obfs4", filepath.Join(dir, name)}) {
			t.Errorf("with %s: %+v, %v", name, p, err)
		}
	}
	if _, err := FindTransport("nosuch"); !errors.As(err, &missing) {
		t.Errorf("no such transport: %v", err)
	}
}

func TestFindGeoIP(t *testing.T) {
	empty, full := t.TempDir(), t.TempDir()
	for _, name := range []string{"geoip", "geoip6"} {
		if _, err := findGeoIP([]string{empty, full}); !errors.Is(err, ErrNoGeoIP) {
			t.Errorf("before %s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(full, name), []byte("#\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if g, err := findGeoIP([]string{empty, full}); err != nil || g.IPv6 != filepath.Join(full, "geoip6") {
		t.Errorf("found %+v, %v", g, err)
	}
}

func TestCheckBridgeSnippet(t *testing.T) {
	text := "# Bridge\nEntryNodes {de}\nUseBridges 0\n+bridge 203.0.113.9:1\nClientTransportPl x\nBridgeRelay 0\nMaxCircuitDirtiness 60"
	var lines []string
	for _, err := range CheckBridgeSnippet("a.conf", text) {
		lines = append(lines, err.Error())
	}
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "a.conf:3: UseBridges is set") ||
		!strings.HasPrefix(lines[1], "a.conf:4: Bridge ") || !strings.HasPrefix(lines[2], "a.conf:5: ") {
		t.Errorf("refused:\n%s", strings.Join(lines, "\n"))
	}
}

func TestHide(t *testing.T) {
	hide := bridgedSpec().hider()
	for text, want := range map[string]string{
		"new bridge descriptor 'x' (fresh): $" + bridgePrint +
			"~x at 203.0.113.20": "new bridge descriptor 'x' (fresh): $[bridge]~x at [bridge]",
		"unable to connect to 203.0.113.20:9443": "unable to connect to [bridge]",
		"Bridge line '" + bridgeLine +
			"' did not parse": "Bridge line 'obfs4 [bridge] [bridge] cert=[bridge] iat-mode=0' did not parse",
		"at [2001:db8::20]:9001, " + strings.ToLower(bridgePrint): "at [bridge], [bridge]",
		"Bootstrapped 100%": "Bootstrapped 100%",
	} {
		if got := hide(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := plainSpec().hider()("anything 203.0.113.20"); got != "anything 203.0.113.20" {
		t.Errorf("without bridges: %q", got)
	}
}

func TestRedact(t *testing.T) {
	for line, want := range map[string]string{
		"Bridge " + bridgeLine:                    "Bridge obfs4 (not shown)",
		"bridge 203.0.113.20:9001 " + bridgePrint: "Bridge (not shown)",
		"UseBridges 1":                            "UseBridges 1",
		"":                                        "",
	} {
		if got := Redact(line); got != want {
			t.Errorf("%q: %q", line, got)
		}
	}
}
