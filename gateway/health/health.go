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
	ConfigInvalid      Code = "config-invalid"
	InterfaceMissing   Code = "interface-missing"
	NoAddress          Code = "interface-without-address"
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
	StateUnusable      Code = "state-unusable"
	OnionKeys          Code = "onion-keys-unusable"
	OnionForeign       Code = "onion-imported-private"
	OldAddress         Code = "old-address-unusable"
	SelfUnusable       Code = "own-key-unusable"
	FriendsUnusable    Code = "friends-unusable"
	NamesUnusable      Code = "names-unusable"
	TemporaryUnusable  Code = "temporary-unusable"
	MailboxUnusable    Code = "mailbox-unusable"
	IRCUnusable        Code = "irc-unusable"
	XMPPUnusable       Code = "xmpp-unusable"
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
)

type entry struct {
	severity Severity
	action   string
}

// catalog says for each code how serious it is and what to do.
var catalog = map[Code]entry{
	ConfigInvalid:      {Error, "correct the file, see `tunic check`; until then the last good configuration stays in force"},
	InterfaceMissing:   {Warning, "tunic waits for it; if it has another name now, or the name is wrong, correct [household] interfaces and run `tunic reload`"},
	NoAddress:          {Warning, "give the interface its household address; devices cannot reach the box without one"},
	ForwardingOff:      {Warning, "set net.ipv4.ip_forward=1 (and net.ipv6.conf.all.forwarding=1) for devices with policy direct or onion"},
	VirtualOverlap:     {Error, "remove \"virtual4\" and \"virtual6\" from the state file and restart tunic: new ranges are chosen"},
	TorMissing:         {Error, "install the package tor, version 0.4.9 or later, or set [tor] binary"},
	TorOld:             {Warning, "Debian 13 has a newer one; on Debian 12 add the repository that https://support.torproject.org/apt/ describes, and install tor from it; then restart tunic"},
	TorNotReady:        {Info, "wait; if it stays, check the box's connection to the internet and its clock (`systemctl status tunic-clock`)"},
	TorDown:            {Error, "tunic restarts it by itself; its last words are above"},
	FastTorDown:        {Error, "onions that are not anonymous (anonymous = false) cannot be reached; the household is as it was; tunic starts this tor again by itself"},
	TorRefused:         {Error, "correct the lines in torrc.d that tor names"},
	ClockSkew:          {Error, "tunic-clock sets the clock within a minute; if not, `systemctl status tunic-clock` says what is in the way, and `date -s '2026-11-28 20:00'` sets it by hand"},
	ClockUntrusted:     {Warning, "wait a minute: tunic-clock asks relays of the Tor network; if it stays, `systemctl status tunic-clock` says what is in the way, and `date -s '2026-11-28 20:00'` sets the clock by hand"},
	RulesFailed:        {Error, "the household is closed; see the message of iptables"},
	RulesMixed:         {Error, "tunic's rules are in force, but packets meet rules that iptables does not show: use one backend for everything, see update-alternatives"},
	TransportMissing:   {Error, "tor is not started, and the household is closed, until the program is there or the bridges are gone"},
	GeoIPMissing:       {Error, "tor is not started, and the household is closed, until the package is there or [tor] exit-countries is gone"},
	BridgeUnreached:    {Warning, "compare its line with what you were given; if it is right, the bridge is off or blocked: ask for others at bridges.torproject.org"},
	TorTwice:           {Warning, "Debian's own tor is stopped for good with `systemctl disable --now tor@default tor`; tunic does not need it"},
	DeviceFull:         {Info, "other devices are not held up; have it open fewer, in the settings of the program that shares files, for one"},
	TorOverTor:         {Info, "such a device needs no gateway: give it policy direct, or see [tor] over-tor"},
	RulesDrift:         {Warning, "tunic has put its rules back; find out which program removes them"},
	Lockdown:           {Warning, "`tunic reload` opens the household again"},
	ServeDown:          {Error, "tunic restarts it by itself; its last words are above"},
	ServeProblem:       {Error, "see the message; the rest works"},
	OnionNotPublished:  {Info, "wait; the first upload takes a minute after Tor is connected"},
	HomePrivate:        {Info, "`tunic invite NAME` makes an invitation for a friend's box; `public = true` in onions/home.toml lets everybody in who knows the address"},
	NobodyInvited:      {Info, "`tunic grant ONION FRIEND` lets a friend find it"},
	TargetUnreachable:  {Warning, "start the service on its host, or correct the target"},
	TargetOnInternet:   {Warning, "write the address of a service at home, or take the port out of the onion's file: visitors would reach that host in your name"},
	HouseholdElsewhere: {Error, "correct [household] interfaces and run `tunic reload`; until then nothing is forwarded from there, and only addresses of homes reach this box"},
	HouseholdUplink:    {Error, "name the interface of the devices in [household] interfaces; if this box stands beside the router and has one interface, write one-arm = true there"},
	HouseholdRoute:     {Error, "find out who gave it (`ip route`, `ip -6 route`); a box beside the router needs one-arm = true in [household]"},
	InterfaceDown:      {Error, "switch it on; devices cannot reach the box without it"},
	NoCarrier:          {Warning, "look at the cable, and at the device at its other end"},
	NoUplink:           {Error, "look at the cable to the internet, and at what gives the box its address (`ip addr`, `ip route`)"},
	TorAway:            {Error, "check the box's connection to the internet, its clock, and the bridges if there are some; nothing leaves meanwhile"},
	NetworkRefused:     {Warning, "if what is there belongs behind Tor, add the interface to [household] interfaces instead"},
	NetworkIsUplink:    {Warning, "take it out of [gateway] other-networks"},
	VisitorShutOut:     {Warning, "add the port before you log out, or come by the household's network"},
	OtherFirewall:      {Warning, "the line above lets it pass, and is looked for again at once"},
	OtherRouter:        {Warning, "a device that believes it sends past this box: turn its router advertisements and its DHCP server off. Where the household's interface is a bridge, `tunic leaktest` asks who answers; elsewhere look on a device which gateway it has"},
	RouterBeside:       {Info, "a device that takes it for its gateway sends past this box: turn its router advertisements off, and its DHCP server too, or have that name this box as gateway and DNS server; then look on a device which gateway it has"},
	AddressShared:      {Warning, "find out which of the two it is; a policy by hardware address is no authentication, so give direct and onion to devices whose neighbours you trust"},
	FastPath:           {Warning, "switch it off (on OpenWrt: firewall.@defaults[0].flow_offloading=0) for the household's interfaces"},
	CleartextPort:      {Info, "use the encrypted port of the same service, or an onion: Tor hides who speaks, not what is said"},
	NameRefused:        {Warning, "tell the application to trust the name: `tunic profiles NAME` says how; or it expects TLS: publish that port as https"},
	OnionUnreachable:   {Warning, "tunic tries again, and publishes the onion again after some failures; `tunic onions --check` tries now. If all onions fail, look at Tor's line in the status"},
	OnionElsewhere:     {Error, "unpublish it on one of the boxes, or give one a new address: tunic rotate NAME"},
	UploadRefused:      {Info, "tor tries other directories; if none has it, check the box's clock"},
	PortalOpen:         {Warning, "it closes by itself; `tunic portal DEVICE --close` closes it now"},
	SmarthostUnusable:  {Error, "put the password alone into the file that [smarthost] password-file names, readable by root alone"},
	AccountUnusable:    {Error, "see the message; the user cannot log in, the others can"},
	CertificateFailed:  {Error, "see the message; mail and chat clients get no certificate, or one that is soon over"},
	ServerMissing:      {Warning, "install it and wait: tunic finds it by itself; everything else works"},
	ServerOld:          {Warning, "tunic finds the newer one by itself; everything else works"},
	ServerFails:        {Error, "`tunic logs` shows its last words; if the server was upgraded, see the changelog of tunic for the versions that it was tried with; everything else works"},
	ServerUntried:      {Info, "if something does not work, report it with this version; a newer tunic may know it"},
	ServerStarting:     {Info, "wait; `tunic logs` shows what the server says"},
	ServerDown:         {Error, "tunic restarts it by itself; `tunic logs` shows its last words"},
	StateUnusable:      {Error, "put right what the message names, often a disk that is full or read-only, or a file of another owner; tunic tries again by itself"},
	OnionKeys:          {Error, "put its keys right as the message says, or restore them from a backup; the other onions are published"},
	OnionForeign:       {Error, "do what the message says, then `tunic reload`; the other onions are published"},
	OldAddress:         {Error, "put its keys right as the message says, or restore them from a backup; the onion's new address works"},
	SelfUnusable:       {Error, "put right what the message names; clients and friends find the private onions all the same"},
	FriendsUnusable:    {Error, "put right what the message names; until then new friends cannot be made, and what friends have said may be missing"},
	NamesUnusable:      {Error, "put right what the message names; friends without a name are reached by their onion addresses"},
	TemporaryUnusable:  {Error, "make room, or make the disk writable; it has ended, but would be in force again after a restart"},
	MailboxUnusable:    {Error, "put right what the message names; mail for a user without a mailbox waits at the sender"},
	IRCUnusable:        {Error, "put right what the message names; until then IRC is not there, everything else works"},
	XMPPUnusable:       {Error, "put right what the message names; until then users may log in to XMPP with what they had before, everything else works"},
	DiskNearlyFull:     {Warning, "make room: when the disk is full, no mail is taken and nothing can be changed"},
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

// household are the codes of what concerns the household as a whole: it is
// closed, or not closed where it should be, or has no way to Tor.
var household = map[Code]bool{
	ConfigInvalid: true, InterfaceMissing: true, InterfaceDown: true, VirtualOverlap: true, StateUnusable: true,
	TorMissing: true, TorDown: true, TorRefused: true, TransportMissing: true, GeoIPMissing: true, TorAway: true, NoUplink: true, ClockSkew: true,
	RulesFailed: true, RulesMixed: true, HouseholdElsewhere: true, HouseholdUplink: true, HouseholdRoute: true, ServeDown: true,
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
