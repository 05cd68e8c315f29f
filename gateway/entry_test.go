package gateway

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature/entry"
	"tunic/gateway/health"
	"tunic/gateway/tor"
)

const (
	bridgePrint = "0123456789ABCDEF0123456789ABCDEF01234567"
	obfs4Bridge = "obfs4 203.0.113.20:9443 " + bridgePrint +
		" cert=SECRETSECRETssH+9rP8dG2NLDN2XuFw63hIO9MNNinLmxQDpVa7kTOa9mtGWT1SmSYpQ9 iat-mode=0"
)

func torFile(lines string) map[string]string {
	return map[string]string{"tunic.toml": mainFile + "[tor]\n" + lines}
}

// programs makes a PATH that has nothing but these programs.
func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

// A tor that could not enter by its bridges is not started, until it can.
func TestMissingTransport(t *testing.T) {
	programs(t)
	h := newHouse(t, torFile("bridges = ['"+obfs4Bridge+"']\n"))
	if err := h.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.took()
	h.pass(t.Context())
	s := h.Gateway.Status(t.Context())
	if did := h.took(); strings.Contains(did, "tor") || mode(h.loaded) != "closed" || !slices.Contains(h.codes(t), "transport-missing") {
		t.Errorf("did %q, rules %s, findings %v", did, mode(h.loaded), h.codes(t))
	}
	if !strings.Contains(s.Findings[0].Text, "obfs4proxy") {
		t.Errorf("the finding: %+v", s.Findings[0])
	}
	dir := programs(t, "obfs4proxy")
	if !h.pass(t.Context()) || mode(h.loaded) != "open" {
		t.Errorf("with the program: %s, %s", mode(h.loaded), h.current.why)
	}
	want := []tor.Plugin{{Transport: "obfs4", Path: filepath.Join(dir, "obfs4proxy")}}
	if !slices.Equal(h.torSpec.Plugins, want) || len(h.torSpec.Bridges) != 1 || h.torSpec.Bridges[0].Line != obfs4Bridge {
		t.Errorf("tor was given %+v", h.torSpec)
	}
}

// A reload that asks for what the box has not got changes nothing.
func TestReloadWithoutProgram(t *testing.T) {
	programs(t)
	h := newHouse(t, nil)
	h.running(t)
	h.write(t, "tunic.toml", mainFile+"[tor]\nbridges = ['"+obfs4Bridge+"']\n")
	h.took()
	var failure *api.Failure
	if err := h.Reload(t.Context()); !errors.As(err, &failure) || !failure.Usage ||
		!strings.Contains(failure.Error(), "lyrebird or obfs4proxy") {
		t.Errorf("reload: %v", err)
	}
	if did := h.took(); strings.Contains(did, "tor") || len(h.torSpec.Bridges) != 0 {
		t.Errorf("did %q", did)
	}
}

// The plan says that tor is restarted, and names no bridge.
func TestPlanHidesBridges(t *testing.T) {
	programs(t, "lyrebird")
	h := newHouse(t, nil)
	h.running(t)
	h.write(t, "tunic.toml", mainFile+"[tor]\nbridges = ['"+obfs4Bridge+"']\nisolate-destinations = true\n")
	plan, err := h.Plan(t.Context())
	text := strings.Join(plan.Changes, "\n")
	if err != nil || strings.Contains(text, "203.0.113.20") || strings.Contains(text, "SECRET") || strings.Contains(text, bridgePrint) {
		t.Errorf("%v\n%s", err, text)
	}
	for _, want := range []string{"! tor is restarted: the way into the network (bridges) changes",
		"! tor is restarted: the isolation of destinations changes",
		"+ torrc Bridge obfs4 (not shown)", "+ torrc UseBridges 1", "+ torrc TransPort 0.0.0.0:9240 IsolateDestAddr"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestSnippetsDoNotMixWithBridges(t *testing.T) {
	c := &config.Config{Torrc: []config.Snippet{{File: "old.conf", Text: "UseBridges 1\n"}}}
	p := config.NewPaths("/x")
	if err := entry.CheckSnippets(p, c); err != nil {
		t.Errorf("bridges in torrc.d alone: %v", err)
	}
	c.Tor.Bridges = []config.Bridge{{}}
	if err := entry.CheckSnippets(p, c); err == nil || !strings.Contains(err.Error(), "/x/etc/tunic/torrc.d/old.conf:1: UseBridges") {
		t.Errorf("in both places: %v", err)
	}
}

func TestOverTor(t *testing.T) {
	now := time.Now()
	seen := []tor.OverTor{
		{Device: netip.MustParseAddr("192.168.77.10"), Relay: netip.MustParseAddrPort("203.0.113.11:9001"), Count: 3, Last: now},
		{Device: netip.MustParseAddr("192.168.77.10"), Relay: netip.MustParseAddrPort("203.0.113.12:443"), Count: 1, Last: now},
		{Device: netip.MustParseAddr("198.51.100.1"), Relay: netip.MustParseAddrPort("203.0.113.11:9001"), Count: 1,
			Last: now}, // not at home
		{Device: netip.MustParseAddr("192.168.77.11"), Relay: netip.MustParseAddrPort("192.168.77.20:9001"), Count: 1, Last: now},
	}
	for over, want := range map[string]int{"refuse": 0, "pass": 2} {
		files := torFile("over-tor = '" + over + "'\n")
		files["devices/tablet.toml"] = "mac = \"02:00:00:00:00:10\"\n"
		h := newHouse(t, files)
		h.set(func() { h.status.OverTor = seen })
		h.pass(t.Context())
		if got := len(h.current.desired.Rules.Passes); got != want || h.current.desired.Rules.OverTor != (want > 0) {
			t.Errorf("%s: %+v", over, h.current.desired.Rules.Passes)
		}
		s := h.Gateway.Status(t.Context())
		i := slices.IndexFunc(s.Findings, func(f health.Finding) bool {
			return strings.HasPrefix(f.Text, "the device tablet uses Tor itself: 4 of its connections, to 2")
		})
		if i < 0 || strings.Contains(s.Findings[i].Text, "203.0.113") {
			t.Errorf("%s: %+v", over, s.Findings)
		}
		if got := slices.ContainsFunc(s.Leaks, func(l string) bool { return strings.Contains(l, "over-tor = pass") }); got != (want > 0) {
			t.Errorf("%s: exceptions %q", over, s.Leaks)
		}
	}
}
