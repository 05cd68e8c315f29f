package e2e

// entry is one line of the list of leak classes: L for what may leave a
// household, M for what only turned up when it was tried.
type entry struct {
	id, what string
	held     string // by what, in words

	// states are moments of the matrix that are this class themselves: its
	// cells count everything that is sent then.
	states []string
	// tests are the others that show it, as "directory Test" or
	// "directory Test/part"; TestCatalog looks whether they exist.
	tests []string
	// beyond says, for what cannot be tested on one machine or is not for the
	// gateway to hold, why that is so and what there is instead.
	beyond string
}

const (
	suite     = "internal/lab/e2e TestEndToEnd/"
	kernel    = "rules/netfilter "
	compiled  = "rules "
	stateDead = "daemon stopped"
	stateKill = "daemon killed"
)

// The names of the states: columns of the matrix.
const (
	stateSteady    = "steady"
	stateConntrack = "conntrack flushed, again and again"
	stateReload    = "reload, again and again"
	stateTorHangs  = "tor hangs"
	stateTorKilled = "tor killed"
	stateTorGone   = "tor gone for longer"
	stateServe     = "serve killed"
	stateFlushed   = "rules flushed by another program and back"
	stateStorm     = "rules flushed 20 times, while a crowd of devices sends"
	stateGone      = "daemon stopped, rules flushed, nobody repairs them"
	stateAccept    = "another program accepts everything, in front of the rules"
	stateRenamed   = "household interface renamed"
	stateLate      = "household interface later than the daemon"
	stateAddress   = "household gets another network"
	stateUpgrade   = "upgrade"
	stateBoot      = "boot, before the daemon"
	stateStarting  = "boot, while the daemon starts"
	stateNoClock   = "boot without a clock, while relays are asked for the time"
	stateMisnamed  = "household interface with a wrong name"
	stateUnnamed   = "a network that nobody has named"
)

// catalog is the list, in its order. A class without states, tests and beyond
// is held in the matrix alone.
func catalog() []entry {
	return append(leavings(), found()...)
}

// leavings are the classes that others have reported, or that follow from how
// networks work.
func leavings() []entry {
	return []entry{
		{id: "L01", what: "IPv6 of devices, natively", held: "the policy and the last net, in both families"},
		{id: "L02", what: "DNS over IPv6, to a link-local resolver too", held: "the redirect to the box's resolver"},
		{id: "L03", what: "tunnels: 6in4, IPIP, GRE, ESP, WireGuard, OpenVPN, Teredo", held: "the policy: TCP alone can pass Tor"},
		{id: "L04", what: "UDP that is no DNS: QUIC, NTP, STUN, games", held: "the policy, refused at once; NTP is answered by the box",
			tests: []string{suite + "refusals", suite + "outside"}},
		{id: "L05", what: "ping, traceroute, other ICMP", held: "the policy"},
		{id: "L06", what: "any other protocol", held: "the policy"},
		{id: "L07", what: "DNS to a resolver that is built in", held: "the redirect to the box's resolver",
			tests: []string{suite + "names"}},
		{id: "L08", what: "DNS over TCP", held: "the redirect to the box's resolver", tests: []string{suite + "names"}},
		{id: "L09", what: "DNS to the provider's router and to private addresses",
			held:  "the redirect, before any exception for near addresses",
			tests: []string{kernel + "TestTorDevice", kernel + "TestOwnTraffic"}},
		{id: "L10", what: "DNS over TLS and over QUIC", held: "UDP is refused, TCP goes through Tor", tests: []string{suite + "refusals"}},
		{id: "L11", what: "DNS over HTTPS, which hides names from the box",
			held: "the names by which programs ask answer that they may not", tests: []string{suite + "names"}},
		{id: "L12", what: "discovery: mDNS, LLMNR, NetBIOS, SSDP, WS-Discovery",
			held: "the policy; names of the link and the house stay at home"},
		{id: "L13", what: "questions of types that Tor cannot answer", held: "the redirect; an empty answer, or DNS over TLS through Tor",
			tests: []string{suite + "outside"}},
		{id: "L14", what: "fallback to the provider's resolver",
			held:  "the resolver knows nobody but tor; the box's own questions are redirected",
			tests: []string{suite + "outside", "gateway/resolver TestTLSFailsClosed"}},
		{id: "L15", what: "onion names asked of others", held: "the redirect; the resolver answers them itself"},
		{id: "L16", what: "FIN and RST of connections that are over", held: "mid-stream segments of no connection are refused"},
		{id: "L17", what: "invalid packets, sources that are not the household's",
			held: "INVALID is dropped before all else; unknown sources are dropped"},
		{id: "L18", what: "fragments and impossible flags", held: "the policy, after reassembly; INVALID is dropped"},
		{id: "L19", what: "flows from before the rules, or before a stricter policy",
			held:  "connections are cut when their policy becomes stricter",
			tests: []string{suite + "policies", kernel + "TestLeaks", kernel + "TestCutDeviceHearsAtOnce", compiled + "TestCuts"}},
		{id: "L20", what: "teardown with packets in flight", held: "the rules are closed before tor is ended",
			states: []string{stateDead, stateUpgrade},
			tests:  []string{"gateway TestRunClosesAtTheEnd"}},
		{id: "L21", what: "the moment between old rules and new", held: "each table is swapped in one transaction",
			states: []string{stateReload},
			tests:  []string{suite + "reload under load", kernel + "TestReloadIsTight"}},
		{id: "L22", what: "boot: forwarding before rules", held: "closed rules before any interface is up, then the open ones, last",
			states: []string{stateBoot, stateStarting},
			tests:  []string{"internal/lab/e2e TestLockdownIsFirst", "gateway TestOrder", kernel + "TestLeaks"}},
		{id: "L23", what: "the loader of the rules fails", held: "the old rules stay; a daemon that cannot go on closes",
			tests: []string{"gateway TestRulesFail", "gateway TestRunFailsIfItCannotClose", kernel + "TestBadRuleKeepsOldChains"}},
		{id: "L24", what: "tor dead, hanging or not ready", held: "rules that do not know whether tor lives",
			states: []string{stateTorHangs, stateTorKilled, stateTorGone}},
		{id: "L25", what: "all is said to be well while tor is dead", held: "status asks tor itself, over its control connection",
			tests: []string{"gateway TestTorDiesLater", "gateway TestReadyAndNotify"}},
		{id: "L26", what: "another program removes or precedes the rules",
			held:   "a watch puts them back and in front within a second; the last net stands in another table",
			states: []string{stateFlushed, stateStorm, stateGone, stateAccept},
			tests: []string{suite + "beside", kernel + "TestOthersGoOn", kernel + "TestRepairWithinASecond", kernel + "TestFight",
				kernel + "TestMixedBackends", kernel + "TestFlushed", kernel + "TestHotspot", kernel + "TestWallStandsFirst",
				suite + "wall"}},
		{id: "L27", what: "another program turns forwarding on",
			held:   "the rules never rely on it being off: in the lab it is on all the time",
			states: []string{stateDead, stateKill, stateBoot}},
		{id: "L28", what: "bridged traffic that iptables does not see", held: "what stays on one bridge stays in the house",
			tests: []string{suite + "route", kernel + "TestBridgedNeighbours"},
			beyond: "a bridge that holds the uplink as a port switches packets past every router; " +
				"that is cabling, and the household interface must not be that bridge. " +
				"Where bridged packets come by iptables (br_netfilter, which Docker switches on), the rules judge them too; " +
				"neighbour discovery, what is for everybody on the wire and link-local addresses pass, and none of it can be routed."},
		{id: "L29", what: "new, renamed or changed interfaces", held: "a group that stays on an interface with another name; " +
			"the last net names addresses; netlink events bring the rest within a moment",
			states: []string{stateRenamed, stateLate, stateAddress, stateMisnamed},
			tests:  []string{kernel + "TestWatch", kernel + "TestGroup", kernel + "TestRenamed", "gateway TestInterfaceMissing"}},
		{id: "L30", what: "one-arm use: redirects to the real router", held: "the box's ICMP redirects are dropped",
			tests: []string{kernel + "TestOneArm"}},
		{id: "L31", what: "somebody else's DHCP or router advertisement on the segment",
			held:  "neither passes the box; who else says that it is a router is named in status, and `tunic leaktest` asks",
			tests: []string{suite + "around", suite + "devices", kernel + "TestLookAround", "gateway/feature/networks TestAroundIsFound"},
			beyond: "a device that believes another router never sends the box a packet, so no rule of the box can hold that: " +
				"the finding other-router, and a managed switch or tunic as the only router of the segment, is what helps."},
		{id: "L32", what: "containers and machines on the box",
			held:   "what is named nowhere reaches nothing, and status names it; what is a household one has the rules of any device",
			states: []string{stateUnnamed},
			tests:  []string{kernel + "TestLookAround", kernel + "TestOthersGoOn", "gateway/feature/networks TestAroundIsFound"},
			beyond: "what [gateway] other-networks names goes out in clear, as its owner wants it, and status lists it. " +
				"An owner who wants containers behind Tor adds their bridge (docker0) to [household] interfaces."},
		{id: "L33", what: "the box's own NTP, ping, updates", held: "default-deny of OUTPUT; its TCP and names go through Tor",
			tests: []string{kernel + "TestOwnTraffic"}},
		{id: "L34", what: "probes of our own that go out directly",
			held:  "there are none: what may dial is a table, and every capture here is of the whole uplink",
			tests: []string{"internal/arch TestNobodyDialsByItself"}},
		{id: "L35", what: "too much allowed to tor's user", held: "it may send TCP alone, or UDP for a transport that needs it",
			tests: []string{compiled + "TestCarrierUDP"}},
		{id: "L36", what: "private addresses that are not at home", held: "only the prefixes on the household's interfaces are near"},
		{id: "L37", what: "virtual addresses that overlap with real ones, or leave",
			held:  "they are chosen apart from local ones, and refused but for TCP",
			tests: []string{"gateway/box TestRangesAreChosenOnceApartFromLocalOnes"}},
		{id: "L38", what: "a bypass that opens more than was asked for", held: "one device, one address, as long as the answer holds",
			tests: []string{suite + "outside", kernel + "TestGrant", compiled + "TestBypassIsForItsDevices",
				"gateway/feature/bypass TestGrantsEnd"}},
		{id: "L39", what: "a captive portal opens the house", held: "one device, web and DNS, for minutes",
			tests: []string{kernel + "TestPortal", kernel + "TestPortalCloses", compiled + "TestPortalIsForGuestsOnly",
				"gateway TestPortalEndsEarly"}},
		{id: "L40", what: "devices that share a circuit", held: "tor sees each device's own address; SOCKS and DNS use a source for each",
			tests: []string{suite + "isolation", "gateway/resolver TestTorIsolatesDevices", "gateway/socks TestTorIsolatesDevices"}},
		{id: "L41", what: "Tor inside Tor", held: "connections to relays of the consensus are refused, with a finding",
			tests: []string{suite + "over tor", "gateway TestOverTor"}},
		{id: "L42", what: "private answers to public names (rebinding)",
			held:  "they are removed from answers, but for the domains in `private-answers`",
			tests: []string{suite + "names", "gateway/resolver TestNames", "gateway/resolver TestPrivateAnswers"}},
		{id: "L43", what: "what is sent in clear is read at the exit",
			held:  "it leaves through Tor alone; ports of mail and telnet in clear are a finding",
			tests: []string{suite + "around", "gateway/tor TestDangerousPort", "gateway/feature/household TestCleartextFindings"},
			beyond: "Tor hides who speaks, not what is said. A device that sends a password over HTTP sends it to the exit; " +
				"BitTorrent and telemetry carry addresses inside. Use TLS, or onions, which are encrypted to the end."},
		{id: "L44", what: "our ports, from the internet",
			held: "INPUT admits only redirected packets of the household to them, and nothing new from the internet to others"},
		{id: "L45", what: "the administration, from outside or by rebinding",
			held: "the page is for the household alone and answers by its names; all other verbs go over a unix socket with a mode",
			tests: []string{suite + "page", "gateway/page TestRebinding",
				"gateway/supervise TestUnixListenerHasItsModeAndOutlivesAccepters", "cmd/tunic TestPermissionErrorsSayRoot"}},
		{id: "L46", what: "what tells the provider who this is: DHCP name, MAC",
			held:  "the policy for devices, default-deny for the box; tunic itself announces nothing",
			tests: []string{suite + "around"},
			beyond: "the uplink's DHCP client and hardware address belong to the system: tunic changes nothing there, " +
				"and lets the client's questions pass. See the manual of the DHCP client for its host name."},
		{id: "L47", what: "a clock that somebody else sets, or that is wrong",
			held:  "the box answers from the kernel's clock, and says so when it is not synchronised; it sets no clock",
			tests: []string{suite + "outside", "gateway TestClockTrust", "gateway/ntp TestUntrustedClock"}},
	}
}

// found are the classes that experiments with the kernel and with tor showed.
func found() []entry {
	return []entry{
		{id: "M01", what: "loopback addresses on the uplink", held: "dropped after routing"},
		{id: "M02", what: "connections that go on after conntrack was flushed",
			held: "mid-stream segments of no connection are refused, or dropped when the box's", states: []string{stateConntrack}},
		{id: "M03", what: "the box's own reset for a flow that was cut",
			held:  "resets and unreachables in the direction of replies are dropped",
			tests: []string{suite + "policies", kernel + "TestLeaks"}},
		{id: "M04", what: "a device's global address, tried from the internet",
			held: "only answers, and what is forwarded on purpose, reach devices", tests: []string{kernel + "TestInbound"}},
		{id: "M05", what: "a visitor with an old descriptor after an onion became private",
			held: "the onion is published again with other introduction points, what runs is cut",
			tests: []string{suite + "private onions", "gateway TestGrantAndRevoke", "gateway/tor TestRevokeRepublishes",
				"gateway/onion TestSetRoutesCutsOnlyWhatChanged"}},
		{id: "M06", what: "a rendezvous that outlives unpublish", held: "the front cuts what runs",
			tests: []string{suite + "onions", "gateway/onion TestSetRoutesCutsOnlyWhatChanged", "gateway/onion TestStopCutsStreams"}},
		{id: "M07", what: "answers of the kernel that no socket sends", held: "resets and unreachables towards the internet are dropped"},
		{id: "M08", what: "a configuration that tor refuses leaves it half dead",
			held: "tor is asked first, and started again from the last good one",
			tests: []string{"gateway/tor TestApplyRefusedWithoutDamage", "gateway/tor TestApplyThatTorDoesNotSurvive",
				"gateway/tor TestDeadlyConfiguration"}},
		{id: "M09", what: "packet sockets of root on the box", held: "default-deny of OUTPUT, which routes do not matter to; " +
			"what talks to strangers has no capability to open a packet socket",
			tests:  []string{suite + "around"},
			beyond: "AF_PACKET writes to the cable below iptables; only root, or who has CAP_NET_RAW, can."},
		{id: "M10", what: "helpers of conntrack open ways of their own",
			held:  "what a helper expects is refused, also where it is translated like a port forward",
			tests: []string{kernel + "TestShots", compiled + "TestGolden"}},
		{id: "M11", what: "NAT64, 6to4, mapped and multicast addresses, source routes", held: "the policy"},
		{id: "M12", what: "flow offload past FORWARD",
			held:  "nothing, where another program switches it on; flow tables and XDP programs are a finding",
			tests: []string{kernel + "TestLookAround", kernel + "TestFlowtableNames", "gateway/feature/networks TestAroundIsFound"},
			beyond: "an offloaded flow skips FORWARD, but a flow is offloaded only after its first packets have passed it, " +
				"and tor's devices have no forwarded flow at all. A kernel without nf_flow_table, as the one that this was written on, " +
				"cannot show it; the finding rules-bypassed was tried with a real XDP program. " +
				"On OpenWrt turn software offload off for devices with policy direct that may become stricter."},
		{id: "M13", what: "virtual addresses from before tor's restart", held: "they lead into tor or nowhere",
			tests: []string{suite + "leftovers"}},
		{id: "M14", what: "a device takes another's hardware address", held: "nothing; when both speak at once it is a finding",
			tests: []string{suite + "around", kernel + "TestLookAround", "gateway/feature/networks TestAroundIsFound"},
			beyond: "a policy by MAC is a convenience and no authentication: who is in the house can take the address of a device that " +
				"may go direct, which the test shows. Give `direct` to none, or use a network of its own for guests."},
		{id: "M15", what: "marks of other programs", held: "four bits of the mark are ours, the others stay",
			tests: []string{suite + "leftovers", compiled + "TestPolicyMarks"}},
	}
}
