// Package health names everything that can be wrong with a box: each finding
// has a code that never changes, a severity, what it means and what to do.
//
// Use it wherever something is reported to the owner. It is not a log: a
// finding is a state that is true now, and it goes away by itself when the
// cause is gone.
package health

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Severity says how much a finding matters.
type Severity string

const (
	Info    Severity = "info"    // worth knowing, nothing to do
	Warning Severity = "warning" // something works less well than asked for
	Error   Severity = "error"   // something asked for does not work
)

// Code identifies a kind of finding in scripts and documentation.
type Code string

const (
	ConfigInvalid      Code = "config-invalid"
	InterfaceMissing   Code = "interface-missing"
	NoAddress          Code = "interface-without-address"
	NetworkUnfit       Code = "network-unfit"
	NetworkUnnamed     Code = "network-unnamed"
	ForwardingOff      Code = "forwarding-off"
	VirtualOverlap     Code = "virtual-range-overlap"
	TorMissing         Code = "tor-missing"
	TorOld             Code = "tor-old"
	TorNotReady        Code = "tor-not-ready"
	TorDown            Code = "tor-down"
	TorRefused         Code = "tor-refused-configuration"
	FastTorDown        Code = "fast-tor-down"
	ClockSkew          Code = "clock-skew"
	ClockUntrusted     Code = "clock-untrusted"
	RulesFailed        Code = "rules-failed"
	RulesDrift         Code = "rules-drift"
	RulesMixed         Code = "rules-mixed-backends"
	TransportMissing   Code = "transport-missing"
	GeoIPMissing       Code = "geoip-missing"
	BridgeUnreached    Code = "bridge-unreached"
	BlockList          Code = "block-list"
	UpstreamSilent     Code = "dns-upstream-silent"
	UpstreamElsewhere  Code = "dns-upstream-elsewhere"
	TorOverTor         Code = "tor-over-tor"
	DeviceFull         Code = "device-full"
	TorTwice           Code = "tor-twice"
	Lockdown           Code = "lockdown"
	ServeDown          Code = "serve-down"
	ServeProblem       Code = "serve-problem"
	OnionNotPublished  Code = "onion-not-published"
	HomePrivate        Code = "home-private"
	NobodyInvited      Code = "onion-for-nobody"
	TargetUnreachable  Code = "target-unreachable"
	TargetOnInternet   Code = "target-on-internet"
	NameRefused        Code = "name-refused"
	OnionUnreachable   Code = "onion-unreachable"
	OnionElsewhere     Code = "onion-elsewhere"
	UploadRefused      Code = "upload-refused"
	StateNoDirectory   Code = "state-not-a-directory"
	StateUnreadable    Code = "state-unreadable"
	StateInMemory      Code = "state-in-memory"
	StateForeign       Code = "state-of-another-owner"
	StateWritable      Code = "state-writable-by-others"
	StateNotMade       Code = "state-not-made"
	StateNewer         Code = "state-of-a-newer-tunic"
	DiskFull           Code = "disk-full"
	DiskReadOnly       Code = "disk-read-only"
	TorShutOut         Code = "tor-shut-out"
	NetworksUnreadable Code = "networks-unreadable"
	RangesUnreadable   Code = "ranges-unreadable"
	RangesDamaged      Code = "ranges-damaged"
	RangesUnwritable   Code = "ranges-unwritable"
	NoRange            Code = "no-free-range"
	OnionKeys          Code = "onion-keys-unusable"
	OnionForeign       Code = "onion-imported-private"
	OldAddress         Code = "old-address-unusable"
	OnionCertificate   Code = "onion-certificate-failed"
	ServiceUnusable    Code = "service-unusable"
	PhoneShutOut       Code = "phone-shut-out"
	SelfUnusable       Code = "own-key-unusable"
	FriendsUnusable    Code = "friends-unusable"
	NamesUnusable      Code = "names-unusable"
	TemporaryUnusable  Code = "temporary-unusable"
	MailboxUnusable    Code = "mailbox-unusable"
	IRCUnusable        Code = "irc-unusable"
	XMPPUnusable       Code = "xmpp-unusable"
	I2PUnusable        Code = "i2p-unusable"
	I2PConfined        Code = "i2p-confined"
	DiskNearlyFull     Code = "disk-nearly-full"
	PortalOpen         Code = "portal-open"
	AccountUnusable    Code = "account-unusable"
	SmarthostUnusable  Code = "smarthost-unusable"
	CertificateFailed  Code = "certificate-failed"
	ServerMissing      Code = "server-missing"
	ServerStarting     Code = "server-starting"
	ServerDown         Code = "server-down"
	ServerOld          Code = "server-too-old"
	ServerFails        Code = "server-fails"
	ServerUntried      Code = "server-untried"
	HouseholdElsewhere Code = "household-elsewhere"
	HouseholdUplink    Code = "household-is-uplink"
	HouseholdRoute     Code = "household-default-route"
	InterfaceDown      Code = "interface-down"
	NoCarrier          Code = "interface-without-carrier"
	NoUplink           Code = "no-uplink"
	TorAway            Code = "tor-not-connected"
	NetworkRefused     Code = "network-refused"
	NetworkIsUplink    Code = "network-is-uplink"
	VisitorShutOut     Code = "visitor-shut-out"
	OtherFirewall      Code = "refused-by-other-firewall"
	OtherRouter        Code = "other-router"
	RouterBeside       Code = "router-beside"
	AddressShared      Code = "hardware-address-shared"
	FastPath           Code = "rules-bypassed"
	CleartextPort      Code = "cleartext-port"
	PageElsewhere      Code = "page-port-taken"
	NoticesForNobody   Code = "notices-for-nobody"
	NoticesUnusable    Code = "notices-unusable"
	FilesWaiting       Code = "files-in-inbox"
	FriendKnocked      Code = "friend-wants-to-talk"
	SettingsTrial      Code = "settings-unconfirmed"
)

// Explanation is what there is to know of a code.
type Explanation struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Means    string   `json:"means"`  // what is the matter, and what works all the same
	Action   string   `json:"action"` // what to do
}

// Explain returns what there is to know of a code; false: there is no such code.
func Explain(c Code) (Explanation, bool) {
	e, ok := catalog[c]
	return Explanation{c, e.severity, e.means, e.action}, ok
}

// Codes lists all codes, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(catalog)) }

// Finding is one thing that is wrong, or worth knowing, now.
type Finding struct {
	Code     Code      `json:"code"`
	Severity Severity  `json:"severity"`
	Subject  string    `json:"subject,omitempty"` // the onion, device, server, friend or interface that it is about
	Since    time.Time `json:"since,omitzero"`    // when it was found first
	Text     string    `json:"text"`              // what is wrong, with the names involved
	Action   string    `json:"action"`            // what to do
}

// New makes a finding about a subject, "" for the box as a whole; text says in
// words what is wrong.
func New(code Code, subject, text string) Finding {
	e := catalog[code]
	return Finding{Code: code, Severity: cmp.Or(e.severity, Error), Subject: subject, Text: Words(text), Action: e.action}
}

// sameAs reports whether two findings are about the same, found at two times: what
// they say may have changed.
func (f Finding) sameAs(g Finding) bool { return f.Code == g.Code && f.Subject == g.Subject }

// Date says of each finding that has no date since when it is there: since then
// if it was among those before, else since now.
func Date(list, before []Finding, now time.Time) {
	for i := range list {
		if !list[i].Since.IsZero() {
			continue
		}
		list[i].Since = now
		if k := slices.IndexFunc(before, list[i].sameAs); k >= 0 {
			list[i].Since = before[k].Since
		}
	}
}

// household are the codes of what concerns the household as a whole: it is
// closed, or not closed where it should be, or has no way to Tor.
var household = map[Code]bool{
	ConfigInvalid: true, InterfaceMissing: true, InterfaceDown: true, VirtualOverlap: true,
	StateNoDirectory: true, StateUnreadable: true, StateInMemory: true, StateForeign: true, StateWritable: true, StateNotMade: true,
	StateNewer: true,
	DiskFull:   true, DiskReadOnly: true, TorShutOut: true,
	NetworksUnreadable: true, RangesUnreadable: true, RangesDamaged: true, RangesUnwritable: true, NoRange: true,
	TorMissing: true, TorDown: true, TorRefused: true, TransportMissing: true, GeoIPMissing: true, TorAway: true, NoUplink: true,
	ClockSkew: true, RulesFailed: true, RulesMixed: true, HouseholdElsewhere: true, HouseholdUplink: true, HouseholdRoute: true,
	ServeDown: true,
}

// Household reports whether a finding with this code concerns the household as a
// whole, and not one of its onions, servers, users or friends.
func (c Code) Household() bool { return household[c] }

// Rank orders severities, the worst first.
func (s Severity) Rank() int {
	switch s {
	case Error:
		return 0
	case Warning:
		return 1
	}
	return 2
}
