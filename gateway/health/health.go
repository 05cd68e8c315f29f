// Package health names everything that can be wrong with a box: each finding
// has a code that never changes, a severity, what it means and what to do.
//
// Use it wherever something is reported to the owner. It is not a log: a
// finding is a state that is true now, and it goes away by itself when the
// cause is gone.
package health

import "cmp"

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
	ConfigInvalid     Code = "config-invalid"
	InterfaceMissing  Code = "interface-missing"
	NoAddress         Code = "interface-without-address"
	ForwardingOff     Code = "forwarding-off"
	VirtualOverlap    Code = "virtual-range-overlap"
	TorMissing        Code = "tor-missing"
	TorNotReady       Code = "tor-not-ready"
	TorDown           Code = "tor-down"
	TorRefused        Code = "tor-refused-configuration"
	ClockSkew         Code = "clock-skew"
	ClockUntrusted    Code = "clock-untrusted"
	RulesFailed       Code = "rules-failed"
	RulesDrift        Code = "rules-drift"
	RulesMixed        Code = "rules-mixed-backends"
	TransportMissing  Code = "transport-missing"
	GeoIPMissing      Code = "geoip-missing"
	TorOverTor        Code = "tor-over-tor"
	Lockdown          Code = "lockdown"
	ServeDown         Code = "serve-down"
	ServeProblem      Code = "serve-problem"
	OnionNotPublished Code = "onion-not-published"
	HomePrivate       Code = "home-private"
	TargetUnreachable Code = "target-unreachable"
	StateUnusable     Code = "state-unusable"
	PortalOpen        Code = "portal-open"
)

type entry struct {
	severity Severity
	action   string
}

// catalog says for each code how serious it is and what to do.
var catalog = map[Code]entry{
	ConfigInvalid:     {Error, "correct the file, see `tunic check`; until then the last good configuration stays in force"},
	InterfaceMissing:  {Warning, "tunic waits for it; if the name is wrong, correct [household] interfaces"},
	NoAddress:         {Warning, "give the interface its household address; devices cannot reach the box without one"},
	ForwardingOff:     {Warning, "set net.ipv4.ip_forward=1 (and net.ipv6.conf.all.forwarding=1) for devices with policy direct or onion"},
	VirtualOverlap:    {Error, "remove \"virtual4\" and \"virtual6\" from the state file and restart tunic: new ranges are chosen"},
	TorMissing:        {Error, "install the package tor, version 0.4.8 or later, or set [tor] binary"},
	TorNotReady:       {Info, "wait; if it stays, check the box's connection to the internet and its clock"},
	TorDown:           {Error, "tunic restarts it by itself; its last words are above"},
	TorRefused:        {Error, "correct the lines in torrc.d that tor names"},
	ClockSkew:         {Error, "set the clock: Tor refuses relays when it is wrong by more than some hours"},
	ClockUntrusted:    {Warning, "run an NTP client on this box (chrony needs its line `rtcsync`); with own-traffic = tor its servers belong into [gateway] ntp-servers"},
	RulesFailed:       {Error, "the household is closed; see the message of iptables"},
	RulesMixed:        {Error, "tunic's rules are in force, but packets meet rules that iptables does not show: use one backend for everything, see update-alternatives"},
	TransportMissing:  {Error, "tor is not started, and the household is closed, until the program is there or the bridges are gone"},
	GeoIPMissing:      {Error, "tor is not started, and the household is closed, until the package is there or [tor] exit-countries is gone"},
	TorOverTor:        {Info, "such a device needs no gateway: give it policy direct, or see [tor] over-tor"},
	RulesDrift:        {Warning, "tunic has put its rules back; find out which program removes them"},
	Lockdown:          {Warning, "`tunic reload` opens the household again"},
	ServeDown:         {Error, "tunic restarts it by itself; its last words are above"},
	ServeProblem:      {Error, "see the message; the rest works"},
	OnionNotPublished: {Info, "wait; the first upload takes a minute after Tor is connected"},
	HomePrivate:       {Info, "write `public = true` into onions/home.toml to let everybody who knows the address in"},
	TargetUnreachable: {Warning, "start the service on its host, or correct the target"},
	PortalOpen:        {Warning, "it closes by itself; `tunic portal DEVICE --close` closes it now"},
	StateUnusable:     {Error, "see the message; nothing is published before it is solved"},
}

// Finding is one thing that is wrong, or worth knowing, now.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`   // what is wrong, with the names involved
	Action   string   `json:"action"` // what to do
}

// New makes a finding; text says in words what is wrong.
func New(code Code, text string) Finding {
	e := catalog[code]
	return Finding{Code: code, Severity: cmp.Or(e.severity, Error), Text: text, Action: e.action}
}

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
