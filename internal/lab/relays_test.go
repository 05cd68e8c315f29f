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
	const want = `TestingTorNetwork 1
DirAuthority auth1 orport=9001 v3ident=1111111111111111111111111111111111111111 ipv6=[2001:db8::1]:9001 203.0.113.1:9030 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
DirAuthority auth2 orport=9001 v3ident=2222222222222222222222222222222222222222 ipv6=[2001:db8::2]:9001 203.0.113.2:9030 BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB
DirAuthority auth3 orport=9001 v3ident=3333333333333333333333333333333333333333 ipv6=[2001:db8::3]:9001 203.0.113.3:9030 CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC
`
	if got := ClientTorrc(testAuthorities()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRelayTorrc(t *testing.T) {
	exits, authorities := 0, 0
	for _, r := range TorRelays() {
		text := RelayTorrc(r, testAuthorities(), "/lab/tor/"+r.Name, "someone", "/resolv.conf")
		lines := map[string]bool{}
		for line := range strings.Lines(text) {
			lines[strings.TrimSuffix(line, "\n")] = true
		}
		want := []string{"Nickname " + r.Name, "User someone", "DataDirectory /lab/tor/" + r.Name,
			fmt.Sprintf("ORPort %s:9001", r.Addr4), fmt.Sprintf("ORPort [%s]:9001", r.Addr6),
			fmt.Sprintf("OutboundBindAddress %s", r.Addr4), fmt.Sprintf("OutboundBindAddress [%s]", r.Addr6)}
		if r.Authority {
			authorities++
			want = append(want, "V3AuthoritativeDirectory 1", "ExitPolicy reject *:*", "TestingV3AuthInitialVotingInterval 10")
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
	if exits != 4 || authorities != 3 {
		t.Errorf("there are %d exits and %d authorities, want 4 and 3", exits, authorities)
	}
}

func TestStartPause(t *testing.T) {
	minute := time.Date(2026, 11, 23, 22, 1, 0, 0, time.UTC) // votes begin at :06, :16, :26
	for _, c := range []struct{ second, want time.Duration }{
		{0, 0},
		{2500 * time.Millisecond, 0},
		{2600 * time.Millisecond, 7400 * time.Millisecond},
		{6 * time.Second, 4 * time.Second},
		{9900 * time.Millisecond, 100 * time.Millisecond},
		{41 * time.Second, 0},
	} {
		if got := startPause(minute.Add(c.second)); got != c.want {
			t.Errorf("at %s: %s, want %s", c.second, got, c.want)
		}
	}
}

func TestConsensusReady(t *testing.T) {
	relay := "r name id 2026-11-23 21:45:00 203.0.113.1 9001 0\n"
	exit := relay + "s Exit Fast Guard HSDir Running Valid\n"
	other := relay + "s Authority Fast Running\n"
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"empty", "", false},
		{"no exits", strings.Repeat(other, 7), false},
		{"a relay is missing", strings.Repeat(exit, 3) + strings.Repeat(other, 3), false},
		{"an exit is down", strings.Repeat(exit, 3) + relay + "s Exit Valid\n" + strings.Repeat(other, 3), false},
		{"complete", "network-status-version 3\n\n" + strings.Repeat(exit, 4) + strings.Repeat(other, 3), true},
	} {
		if got := consensusReady(c.text); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
