package lab

import (
	"fmt"
	"net/netip"
	"path/filepath"
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
// of the interval plus an offset, two delays before it. The delays are the
// smallest that tor accepts.
//
// In a testing network a time period, after which the onions' descriptors have
// other places, is 24 voting intervals of the consensus at hand (rend-spec,
// "Dividing time into periods"). So all intervals are the same, or a box and a
// visitor with two consensuses look for one onion in two places; and they are
// the longest that tor accepts for the first one: periods then change every six
// hours, at 0, 6, 12 and 18 h UTC.
const (
	votingInterval = 30 * time.Minute
	voteDelay      = 2 * time.Second
)

// networkTries is how often the relays start until one consensus lists all of
// them. Each vote hears the relays that have started and told every authority
// of themselves: that takes two seconds, and more on a busy machine. The next
// try leaves them twice the time.
const (
	networkTries = 3
	voteLead     = 10 * time.Second // from the start to the first consensus
)

// votingOffset has the authorities make a consensus for the time at.
func votingOffset(at time.Time) time.Duration {
	return at.Truncate(time.Second).Sub(at.Truncate(votingInterval))
}

// bandwidthFile, beside the relays' directories, is what the authorities say of
// the relays' bandwidth (bandwidth-file-spec): the same of all. Without it a
// relay says of itself what it has seen, nothing in the first seconds; the one
// that is quick to see something, or slow to be voted for, would be chosen for
// nearly all circuits, as the guard and again as their end, where the relay
// between them refuses to go back. Of an authority no measurement counts; it
// says at most as much of itself (dir-spec, "maxunmeasuredbw").
const bandwidthFile = "bandwidth"

// bandwidth is what the file says of each relay, in thousands of bytes a second.
const bandwidth = 20

// buildTimeout is the shortest time after which a tor gives a circuit up that is
// being built (param-spec, "cbtmintimeout"). It learns by itself how long
// circuits take: on one machine that is 50 ms, and a moment in which the machine
// is busy has it give up three circuits in a row. An onion's tor does not come to
// a rendezvous any more then, and the visitor waits for two minutes. In the
// public network circuits are slower, and so is what tors learn.
const buildTimeout = 1500 * time.Millisecond

// Relay is one tor process of the private Tor network.
type Relay struct {
	Name      string
	Authority bool // directory authority; else an exit
	Addr4     netip.Addr
	Addr6     netip.Addr
}

// TorRelays returns the three directory authorities and the seven exits.
func TorRelays() []Relay {
	var relays []Relay
	for _, host := range []int{1, 2, 3, 11, 12, 13, 14, 15, 16, 17} {
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
// its files in dir and runs as user. The first consensus is for the time first.
func RelayTorrc(r Relay, authorities []Authority, dir, user, resolvConf string, first time.Time) string {
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
		b.WriteString(authorityTorrc(r, dir, first))
	} else {
		b.WriteString("ExitRelay 1\nIPv6Exit 1\nExitPolicyRejectPrivate 0\nExitPolicy accept *:*\n")
	}
	return b.String()
}

func authorityTorrc(r Relay, dir string, first time.Time) string {
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	return fmt.Sprintf(`DirPort %s:%d
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ExitPolicy reject *:*
TestingV3AuthInitialVotingInterval %d
TestingV3AuthInitialVoteDelay %d
TestingV3AuthInitialDistDelay %d
TestingV3AuthVotingStartOffset %d
V3AuthVotingInterval %d
V3AuthVoteDelay %d
V3AuthDistDelay %d
V3BandwidthsFile %s
ConsensusParams cbtmintimeout=%d
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingAuthDirTimeToLearnReachability 0
TestingMinExitFlagThreshold 0
MinUptimeHidServDirectoryV2 0
AuthDirMaxServersPerAddr 0
`, r.Addr4, DirPort, seconds(votingInterval), seconds(voteDelay), seconds(voteDelay),
		seconds(votingOffset(first)), seconds(votingInterval), seconds(voteDelay), seconds(voteDelay),
		filepath.Join(filepath.Dir(dir), bandwidthFile), buildTimeout/time.Millisecond)
}

// consensusReady reports whether a consensus, in tor's text form (dir-spec,
// "network status document format"), lists every relay, marks every exit, and has measured it.
func consensusReady(text string) bool {
	routers, exits, measured := 0, 0, 0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "r":
			routers++
		case fields[0] == "s" && slices.Contains(fields, "Exit") && slices.Contains(fields, "Running"):
			exits++
		case strings.TrimSpace(line) == fmt.Sprintf("w Bandwidth=%d", bandwidth):
			measured++
		}
	}
	relays := TorRelays()
	wanted := 0
	for _, r := range relays {
		if !r.Authority {
			wanted++
		}
	}
	return routers == len(relays) && exits == wanted && measured == wanted
}
