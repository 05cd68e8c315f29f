package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/api"
	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/internal/leaktest"
)

// doctored runs the doctor with a configuration, without a daemon.
func doctored(t *testing.T, main string) (list []diagnosis, code int) {
	t.Helper()
	root := t.TempDir()
	p := config.NewPaths(root)
	for _, dir := range []string{filepath.Dir(p.Main()), p.State} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(p.Main(), []byte(main), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(string) string { return "" }, root: root}
	code = execute(context.Background(), a, []string{"--root", root, "doctor", "--json"})
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	return list, code
}

func has(list []diagnosis, area, state, words string) bool {
	return slices.ContainsFunc(list, func(d diagnosis) bool {
		return d.Area == area && d.State == state && strings.Contains(d.Text, words)
	})
}

// Without a daemon the doctor says so, and tells what can be seen without one.
func TestDoctorAlone(t *testing.T) {
	list, code := doctored(t, "[household]\ninterfaces = [\"nowhere0\"]\n")
	if code != exitNotReady || !has(list, "daemon", stateFail, "the daemon does not run") ||
		!has(list, "network", stateWarning, "nowhere0") && !has(list, "network", stateFail, "nowhere0") {
		t.Errorf("status %d, %+v", code, list)
	}
	if !has(list, "disks", stateOK, "room") && !has(list, "disks", stateWarning, "nearly full") ||
		!has(list, "certificates", stateOK, "no authority yet") {
		t.Errorf("%+v", list)
	}
	list, code = doctored(t, "[household]\ninterfaces = br-lan\n")
	if code != exitNotReady || !has(list, "configuration", stateFail, "tunic.toml:2") {
		t.Errorf("a mistake: status %d, %+v", code, list)
	}
	list, _ = doctored(t, "[household]\ninterfaces = [\"lan\"]\n[gateway]\ntlak = true\n")
	if !slices.ContainsFunc(list, func(d diagnosis) bool {
		return strings.HasSuffix(d.Text, "gateway.tlak: unknown key") && d.Action == `did you mean "talk"?`
	}) || has(list, "configuration", stateFail, "did you mean") {
		t.Errorf("a mistake with a hint: %+v", list)
	}
}

// Findings of the daemon that belong to no check are told all the same, once.
func TestDoctorTellsEveryFinding(t *testing.T) {
	d := &doctor{app: &app{}, told: make(map[health.Code]bool), status: &api.Status{}}
	for _, code := range health.Codes() {
		d.status.Findings = append(d.status.Findings, health.New(code, "x", "text of "+string(code)))
	}
	d.config = &config.Config{}
	var list []diagnosis
	for _, check := range []func(context.Context) []diagnosis{d.tor, d.bridges, d.clock} {
		list = append(list, check(t.Context())...)
	}
	list = append(append(list, d.certificates(time.Now())...), d.others()...)
	for _, f := range d.status.Findings {
		n := 0
		for _, line := range list {
			if line.Text == f.Text {
				n++
			}
		}
		if n > 1 || n == 0 && f.Code != health.BridgeUnreached { // it is told with its bridge
			t.Errorf("%s is told %d times", f.Code, n)
		}
	}
}

func TestDoctorTellsBridges(t *testing.T) {
	d := &doctor{app: &app{}, told: make(map[health.Code]bool), config: &config.Config{}, status: &api.Status{}}
	d.config.Tor.Bridges = []config.Bridge{{Transport: "obfs4"}, {}}
	d.status.Tor.Bootstrap = 100
	d.status.Findings = []health.Finding{health.New(health.BridgeUnreached, "bridge 2", "bridge 2 is not reached")}
	list := d.bridges(t.Context())
	if len(list) != 2 || !has(list, "bridges", stateOK, "bridge 1 (obfs4)") ||
		!has(list, "bridges", stateWarning, "bridge 2 is not reached") {
		t.Errorf("%+v", list)
	}
}

// What keeps tor is said by its stage.
func TestDoctorTellsWhyTorHangs(t *testing.T) {
	for percent, want := range map[int]string{2: "the program of the bridges", 5: "no relay answers", 10: "what it says is not Tor",
		14: "not Tor", 25: "clock is wrong", 50: "list of relays is being loaded", 85: "no circuit can be built"} {
		d := &doctor{app: &app{}, told: make(map[health.Code]bool), status: &api.Status{Tor: api.Tor{Running: true, Bootstrap: percent}}}
		if list := d.tor(t.Context()); !has(list, "tor", stateFail, want) {
			t.Errorf("%d: %+v", percent, list)
		}
	}
}

// Who sends devices past the box fails; the box itself does not.
func TestDoctorTellsOtherRouters(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("fe80::1")}
	other := netip.MustParseAddr("192.168.1.254")
	answer := leaktest.Answer{By: "DHCP", From: other, Routers: []netip.Addr{other}, DNS: own[:1]}
	if list := answersWords("household", "eth1", []leaktest.Answer{answer}, own, false); len(list) != 1 ||
		!has(list, "household", stateFail, "eth1: 192.168.1.254 sends devices by DHCP to 192.168.1.254, past this box") {
		t.Errorf("%+v", list)
	}
	answer.Routers = own
	if list := answersWords("household", "eth1", []leaktest.Answer{answer}, own, false); !has(list, "household", stateOK, "nobody there") {
		t.Errorf("%+v", list)
	}
	if list := answersWords("household", "eth1", nil, own, true); !has(list, "household", stateWarning, "nobody answers") {
		t.Errorf("%+v", list)
	}
}

func TestDoctorTellsCertificates(t *testing.T) {
	root := t.TempDir()
	p := config.NewPaths(root)
	if err := os.MkdirAll(p.CA(), 0o755); err != nil {
		t.Fatal(err)
	}
	authority, err := ca.Load(p.CA(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d := &doctor{app: &app{root: root}, told: make(map[health.Code]bool)}
	for state, now := range map[string]time.Time{stateOK: time.Now(), stateWarning: authority.NotAfter().Add(-time.Hour),
		stateFail: authority.NotAfter().Add(time.Hour)} {
		if list := d.certificates(now); !has(list, "certificates", state, "good until") {
			t.Errorf("at %s: %+v", now, list)
		}
	}
}

// The addresses of this machine's loopback are found, so that its own answers are known.
func TestAddressesOf(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Skip("no first interface")
	}
	own, _, err := addressesOf(lo.Name)
	if err != nil || !slices.Contains(own, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("%v, %v", own, err)
	}
}
