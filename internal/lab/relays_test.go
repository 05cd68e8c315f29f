package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func testAuthorities() []Authority {
	var authorities []Authority
	for i, r := range TorRelays()[:3] {
		authorities = append(authorities, Authority{Relay: r,
			V3Ident: strings.Repeat(fmt.Sprint(i+1), 40), Fingerprint: strings.Repeat(string(rune('A'+i)), 40)})
	}
	return authorities
}

func TestClientTorrc(t *testing.T) {
	a, b, c := strings.Repeat("A", 40), strings.Repeat("B", 40), strings.Repeat("C", 40)
	want := `TestingTorNetwork 1
DirAuthority auth1 orport=9001 v3ident=1111111111111111111111111111111111111111 ipv6=[2001:db8::1]:9001 203.0.113.1:9030 ` + a + `
DirAuthority auth2 orport=9001 v3ident=2222222222222222222222222222222222222222 ipv6=[2001:db8::2]:9001 203.0.113.2:9030 ` + b + `
DirAuthority auth3 orport=9001 v3ident=3333333333333333333333333333333333333333 ipv6=[2001:db8::3]:9001 203.0.113.3:9030 ` + c + `
`
	if got := ClientTorrc(testAuthorities()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRelayTorrc(t *testing.T) {
	exits, authorities := 0, 0
	for _, r := range TorRelays() {
		text := RelayTorrc(r, testAuthorities(), "/lab/tor/"+r.Name, "someone", "/resolv.conf",
			time.Date(2026, 11, 23, 22, 31, 5, 7, time.UTC))
		lines := map[string]bool{}
		for line := range strings.Lines(text) {
			lines[strings.TrimSuffix(line, "\n")] = true
		}
		want := []string{"Nickname " + r.Name, "User someone", "DataDirectory /lab/tor/" + r.Name,
			fmt.Sprintf("ORPort %s:9001", r.Addr4), fmt.Sprintf("ORPort [%s]:9001", r.Addr6),
			fmt.Sprintf("OutboundBindAddress %s", r.Addr4), fmt.Sprintf("OutboundBindAddress [%s]", r.Addr6)}
		if r.Authority {
			authorities++
			want = append(want, "V3AuthoritativeDirectory 1", "ExitPolicy reject *:*", "TestingV3AuthInitialVotingInterval 1800",
				"V3AuthVotingInterval 1800", "V3BandwidthsFile /lab/tor/bandwidth", "TestingV3AuthVotingStartOffset 65")
		} else {
			exits++
			want = append(want, "IPv6Exit 1", "ExitPolicy accept *:*")
		}
		for _, line := range want {
			if !lines[line] {
				t.Errorf("%s lacks %q:\n%s", r.Name, line, text)
			}
		}
		if !r.Authority && lines["V3AuthoritativeDirectory 1"] {
			t.Errorf("exit %s is an authority", r.Name)
		}
	}
	if exits != 7 || authorities != 3 {
		t.Errorf("there are %d exits and %d authorities, want 7 and 3", exits, authorities)
	}
}

func TestConsensusReady(t *testing.T) {
	relay := "r name id 2026-11-23 21:45:00 203.0.113.1 9001 0\n"
	exit := relay + "s Exit Fast Guard HSDir Running Valid\nw Bandwidth=20\n"
	unmeasured := relay + "s Exit Fast Guard HSDir Running Valid\nw Bandwidth=16 Unmeasured=1\n"
	other := relay + "s Authority Fast Running\nw Bandwidth=0 Unmeasured=1\n"
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"empty", "", false},
		{"no exits", strings.Repeat(other, 10), false},
		{"a relay is missing", strings.Repeat(exit, 6) + strings.Repeat(other, 3), false},
		{"an exit is down", strings.Repeat(exit, 6) + relay + "s Exit Valid\nw Bandwidth=20\n" + strings.Repeat(other, 3), false},
		{"an exit is not measured", strings.Repeat(exit, 6) + unmeasured + strings.Repeat(other, 3), false},
		{"complete", "network-status-version 3\n\n" + strings.Repeat(exit, 7) + strings.Repeat(other, 3), true},
	} {
		if got := consensusReady(c.text); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
