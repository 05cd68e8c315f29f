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
	FastTorDown       Code = "fast-tor-down"
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
	NobodyInvited     Code = "onion-for-nobody"
	TargetUnreachable Code = "target-unreachable"
	NameRefused       Code = "name-refused"
	OnionUnreachable  Code = "onion-unreachable"
	OnionElsewhere    Code = "onion-elsewhere"
	UploadRefused     Code = "upload-refused"
	StateUnusable     Code = "state-unusable"
	PortalOpen        Code = "portal-open"
	AccountUnusable   Code = "account-unusable"
	SmarthostUnusable Code = "smarthost-unusable"
	CertificateFailed Code = "certificate-failed"
	ServerMissing     Code = "server-missing"
	ServerStarting    Code = "server-starting"
	ServerDown        Code = "server-down"
	ServerOld         Code = "server-too-old"
	ServerFails       Code = "server-fails"
	ServerUntried     Code = "server-untried"
	OtherNetwork      Code = "network-outside-household"
	OtherRouter       Code = "other-router"
	AddressShared     Code = "hardware-address-shared"
	FastPath          Code = "rules-bypassed"
	CleartextPort     Code = "cleartext-port"
)

type entry struct {
	severity Severity
	action   string
}

// catalog says for each code how serious it is and what to do.
var catalog = map[Code]entry{
	ConfigInvalid:     {Error, "correct the file, see `tunic check`; until then the last good configuration stays in force"},
	InterfaceMissing:  {Warning, "tunic waits for it; if it has another name now, or the name is wrong, correct [household] interfaces and run `tunic reload`"},
	NoAddress:         {Warning, "give the interface its household address; devices cannot reach the box without one"},
	ForwardingOff:     {Warning, "set net.ipv4.ip_forward=1 (and net.ipv6.conf.all.forwarding=1) for devices with policy direct or onion"},
	VirtualOverlap:    {Error, "remove \"virtual4\" and \"virtual6\" from the state file and restart tunic: new ranges are chosen"},
	TorMissing:        {Error, "install the package tor, version 0.4.8 or later, or set [tor] binary"},
	TorNotReady:       {Info, "wait; if it stays, check the box's connection to the internet and its clock"},
	TorDown:           {Error, "tunic restarts it by itself; its last words are above"},
	FastTorDown:       {Error, "onions that are not anonymous (anonymous = false) cannot be reached; the household is as it was; tunic starts this tor again by itself"},
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
	HomePrivate:       {Info, "`tunic invite NAME` makes an invitation for a friend's box; `public = true` in onions/home.toml lets everybody in who knows the address"},
	NobodyInvited:     {Info, "`tunic grant ONION FRIEND` lets a friend find it"},
	TargetUnreachable: {Warning, "start the service on its host, or correct the target"},
	OtherNetwork:      {Info, "if what is there belongs behind Tor, add the interface to [household] interfaces"},
	OtherRouter:       {Warning, "a device that believes it sends past this box: turn its router advertisements and its DHCP server off; `tunic leaktest` asks who answers"},
	AddressShared:     {Warning, "find out which of the two it is; a policy by hardware address is no authentication, so give direct and onion to devices whose neighbours you trust"},
	FastPath:          {Warning, "switch it off (on OpenWrt: firewall.@defaults[0].flow_offloading=0) for the household's interfaces"},
	CleartextPort:     {Info, "use the encrypted port of the same service, or an onion: Tor hides who speaks, not what is said"},
	NameRefused:       {Warning, "tell the application to trust the name: `tunic profiles NAME` says how; or it expects TLS: publish that port as https"},
	OnionUnreachable:  {Warning, "tunic tries again, and publishes the onion anew after some failures; `tunic onions --check` tries now. If all onions fail, look at Tor's line in the status"},
	OnionElsewhere:    {Error, "unpublish it on one of the boxes, or give one a new address: tunic rotate NAME"},
	UploadRefused:     {Info, "tor tries other directories; if none has it, check the box's clock"},
	PortalOpen:        {Warning, "it closes by itself; `tunic portal DEVICE --close` closes it now"},
	SmarthostUnusable: {Error, "put the password alone into the file that [smarthost] password-file names, readable by root alone"},
	AccountUnusable:   {Error, "see the message; the user cannot log in, the others can"},
	CertificateFailed: {Error, "see the message; mail and chat clients get no certificate, or one that is soon over"},
	ServerMissing:     {Warning, "install it and wait: tunic finds it by itself; everything else works"},
	ServerOld:         {Warning, "tunic finds the newer one by itself; everything else works"},
	ServerFails:       {Error, "`tunic logs` shows its last words; if the server was upgraded, see the changelog of tunic for the versions that it was tried with; everything else works"},
	ServerUntried:     {Info, "if something does not work, report it with this version; a newer tunic may know it"},
	ServerStarting:    {Info, "wait; `tunic logs` shows what the server says"},
	ServerDown:        {Error, "tunic restarts it by itself; `tunic logs` shows its last words"},
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
