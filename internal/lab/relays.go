package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Ports of all authorities and relays; they differ by address.
const (
	ORPort  uint16 = 9001
	DirPort uint16 = 9030 // authorities only
)

// Voting (dir-spec, "Voting timeline"). Authorities vote for the next multiple
// of the interval, two delays before it, and at once if they start later than
// that. The delays are the smallest that tor accepts. With a first interval of
// 5 s the first vote is mostly over before the relays have been heard. A testing
// network changes the onions' places every 24 votes (rend-spec, "Dividing time
// into periods"; a descriptor may be missed in that second): with 60 s every
// 24 minutes, which few tests ever see.
const (
	firstVotingInterval = 10 * time.Second
	votingInterval      = 60 * time.Second
	voteDelay           = 2 * time.Second
)

// uploadTime is what relays need from their start until every authority has
// their descriptors: two seconds, and more on a busy machine. A vote that
// comes earlier gives a consensus without them, and the next one is a whole
// votingInterval away.
const uploadTime = 3500 * time.Millisecond

// startPause is how long to wait with starting authorities and relays, so that
// their first vote is at least uploadTime away.
func startPause(now time.Time) time.Duration {
	since := now.Sub(now.Truncate(firstVotingInterval))
	if since <= firstVotingInterval-2*voteDelay-uploadTime {
		return 0
	}
	return firstVotingInterval - since
}

// Relay is one tor process of the private Tor network.
type Relay struct {
	Name      string
	Authority bool // directory authority; else an exit
	Addr4     netip.Addr
	Addr6     netip.Addr
}

// TorRelays returns the three directory authorities and the four exits.
func TorRelays() []Relay {
	var relays []Relay
	for _, host := range []int{1, 2, 3, 11, 12, 13, 14} {
		r := Relay{
			Name:      fmt.Sprintf("exit%d", host-10),
			Authority: host < 10,
			Addr4:     parsePrefix("203.0.113.%d/24", host).Addr(),
			Addr6:     parsePrefix("2001:db8::%d/64", host).Addr(),
		}
		if r.Authority {
			r.Name = fmt.Sprintf("auth%d", host)
		}
		relays = append(relays, r)
	}
	return relays
}

// Authority is what every tor of the network must know of one authority.
type Authority struct {
	Relay
	V3Ident     string // SHA-1 of its voting identity key, 40 hex digits
	Fingerprint string // SHA-1 of its relay identity key, 40 hex digits
}

// ClientTorrc is what makes a tor a member of the private network. It holds no
// listener and no path, so it can be added to any configuration.
func ClientTorrc(authorities []Authority) string {
	var b strings.Builder
	b.WriteString("TestingTorNetwork 1\n")
	for _, a := range authorities {
		fmt.Fprintf(&b, "DirAuthority %s orport=%d v3ident=%s ipv6=[%s]:%d %s:%d %s\n",
			a.Name, ORPort, a.V3Ident, a.Addr6, ORPort, a.Addr4, DirPort, a.Fingerprint)
	}
	return b.String()
}

// RelayTorrc is the whole configuration of one authority or exit that keeps
// its files in dir and runs as user.
func RelayTorrc(r Relay, authorities []Authority, dir, user, resolvConf string) string {
	var b strings.Builder
	b.WriteString(ClientTorrc(authorities))
	fmt.Fprintf(&b, `Nickname %s
ContactInfo lab
User %s
DataDirectory %s
Log notice stdout
SocksPort 0
AssumeReachable 1
Address %s
ORPort %s:%d
ORPort [%s]:%d
OutboundBindAddress %s
OutboundBindAddress [%s]
ServerDNSResolvConfFile %s
ServerDNSDetectHijacking 0
ServerDNSAllowBrokenConfig 1
ShutdownWaitLength 0
`, r.Name, user, dir, r.Addr4, r.Addr4, ORPort, r.Addr6, ORPort, r.Addr4, r.Addr6, resolvConf)
	if r.Authority {
		b.WriteString(authorityTorrc(r))
	} else {
		b.WriteString("ExitRelay 1\nIPv6Exit 1\nExitPolicyRejectPrivate 0\nExitPolicy accept *:*\n")
	}
	return b.String()
}

func authorityTorrc(r Relay) string {
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	return fmt.Sprintf(`DirPort %s:%d
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ExitPolicy reject *:*
TestingV3AuthInitialVotingInterval %d
TestingV3AuthInitialVoteDelay %d
TestingV3AuthInitialDistDelay %d
V3AuthVotingInterval %d
V3AuthVoteDelay %d
V3AuthDistDelay %d
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingAuthDirTimeToLearnReachability 0
TestingMinExitFlagThreshold 0
MinUptimeHidServDirectoryV2 0
AuthDirMaxServersPerAddr 0
`, r.Addr4, DirPort, seconds(firstVotingInterval), seconds(voteDelay), seconds(voteDelay),
		seconds(votingInterval), seconds(voteDelay), seconds(voteDelay))
}

// consensusReady reports whether a consensus, in tor's text form (dir-spec,
// "network status document format"), lists every relay and marks every exit.
func consensusReady(text string) bool {
	routers, exits := 0, 0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "r":
			routers++
		case fields[0] == "s" && slices.Contains(fields, "Exit") && slices.Contains(fields, "Running"):
			exits++
		}
	}
	relays := TorRelays()
	wanted := 0
	for _, r := range relays {
		if !r.Authority {
			wanted++
		}
	}
	return routers == len(relays) && exits == wanted
}
