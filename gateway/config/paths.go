package config

import (
	"os"
	"path/filepath"
)

// Ports that tunic's own processes listen on. Devices never type the internal
// ones: nat rules redirect what they do type (53, 9050, 70) to them, so that
// no other server on the box is in the way.
const (
	TransPort uint16 = 9240 // tor, transparent TCP, all addresses; reachable only for redirected traffic
	SocksPort uint16 = 9250 // tor, SOCKS5 for Prosody and i2pd, 127.0.0.1; serve's is a unix socket
	DNSPort   uint16 = 9253 // tor, A/AAAA/PTR over UDP, 127.0.0.1 and [::1]

	ServeSocksPort     uint16 = 9350 // serve, SOCKS5 for the household
	ServeDNSPort       uint16 = 9353 // serve, DNS for the household, UDP and TCP
	ServeOwnDNSPort    uint16 = 9354 // serve, DNS for the box itself, UDP and TCP, 127.0.0.1 and [::1]
	ServeClosedDNSPort uint16 = 9355 // serve, DNS for the household while it is closed: the box's own names, UDP and TCP
	ServeOwnTimePort   uint16 = 9324 // serve, time for the box itself, UDP, 127.0.0.1 and [::1]
	ServeGopherPort    uint16 = 9370 // serve, Gopher for the household
	ServeMetricsPort   uint16 = 9374 // serve, numbers for the household's Prometheus
	ServeNTPPort       uint16 = 9323 // serve, time for the household, UDP

	ServeSubmissionPort uint16 = 9387 // serve, mail from the household
	ServeSetupPort      uint16 = 9380 // serve, pages for mail programs of the household
	ServePagePort       uint16 = 9384 // serve, the box's own page for the household
	ServePageTLSPort    uint16 = 9385 // serve, the same over TLS
	ServeSharesPort     uint16 = 9386 // serve, the pages at friends' bare names for the household
	ServeServicesPort   uint16 = 9371 // serve, what friends offer, for the household
	ServeIMAPPort       uint16 = 9393 // serve, IMAP over TLS for the household
	DovecotPort         uint16 = 9394 // dovecot, IMAP for serve, 127.0.0.1

	ServeXMPPPort     uint16 = 9322 // serve, XMPP for the household
	ServeFilesPort    uint16 = 9381 // serve, shared files of XMPP over TLS for the household
	ServeFriendsPort  uint16 = 9382 // serve, shared files of friends over TLS for the household
	ServeIRCPort      uint16 = 9367 // serve, IRC for the household
	ServeIRCTLSPort   uint16 = 9397 // serve, IRC over TLS for the household
	ProsodyClientPort uint16 = 9422 // prosody, XMPP for serve, 127.0.0.1
	ProsodyServerPort uint16 = 9469 // prosody, streams of other boxes from the front, 127.0.0.1
	ProsodyFilesPort  uint16 = 9480 // prosody, shared files for serve, 127.0.0.1
	ServeI2PPort      uint16 = 9348 // serve, TCP of the household to names of I2P
	FrontI2PPort      uint16 = 9349 // serve, visitors by I2P, from i2pd, an address in 127.0.0.0/8 for each onion's port
	I2PDPort          uint16 = 9447 // i2pd, SOCKS5 for serve, 127.0.0.1
	NgircdPort        uint16 = 9467 // ngircd, IRC for serve and the front, 127.0.0.1
)

// Ports that chat clients and boxes dial (RFC 6120, 14.7; RFC 7194), and the one
// that addresses of shared files have in them.
const (
	XMPPPort       uint16 = 5222
	XMPPServerPort uint16 = 5269
	FilesPort      uint16 = 5281
	IRCPort        uint16 = 6667
	IRCTLSPort     uint16 = 6697
)

// MetricsPort is where Prometheus asks for numbers: on loopback, or of the household.
const MetricsPort uint16 = 9474

// Ports that browsers dial (RFC 9110, 4.2).
const (
	PagePort    uint16 = 80
	PageTLSPort uint16 = 443
)

// IMAPSPort is what mail programs dial (RFC 8314).
const IMAPSPort uint16 = 993

// Users that the daemon's children run as. They exist only for tunic, so that
// a rule that names one of them names nothing else.
const (
	TorUser   = "tunic-tor"
	ServeUser = "tunic"
	MailUser  = "tunic-mail" // its group shares the Maildirs with ServeUser
	XMPPUser  = "tunic-xmpp"
	IRCUser   = "tunic-irc"
	I2PUser   = "tunic-i2p"

	// ServiceUser runs the commands of services for friends.
	ServiceUser = "tunic-service"
)

// LookGroup is the group of the box's users who may look without being root, if
// there is one. No process of tunic is in it.
const LookGroup = "tunic-look"

// Paths are all the places where tunic keeps something. Every path is below
// the root, which is "/" on a real box and a directory of its own in the lab.
type Paths struct {
	Root  string // "/" or the directory given with --root
	Etc   string // tunic.toml, devices/, onions/, profiles/, endpoints/, torrc.d/
	State string // keys, tor's data: all that a backup holds; in /var/lib, on OpenWrt in /srv
	Run   string // sockets and status, gone after a reboot
}

// openWrt is a file that every OpenWrt has, and nothing else.
const openWrt = "etc/openwrt_release"

// NewPaths returns the paths below root; "" means "/".
func NewPaths(root string) Paths {
	if root == "" {
		root = "/"
	}
	state := "var/lib/tunic"
	if _, err := os.Stat(filepath.Join(root, openWrt)); err == nil {
		state = "srv/tunic" // there /var is in memory
	}
	return Paths{
		Root:  root,
		Etc:   filepath.Join(root, "etc/tunic"),
		State: filepath.Join(root, state),
		Run:   filepath.Join(root, "run/tunic"),
	}
}

func (p Paths) Main() string        { return filepath.Join(p.Etc, "tunic.toml") }
func (p Paths) DeviceDir() string   { return filepath.Join(p.Etc, "devices") }
func (p Paths) OnionDir() string    { return filepath.Join(p.Etc, "onions") }
func (p Paths) PeerDir() string     { return filepath.Join(p.Etc, "peers") }
func (p Paths) ProfileDir() string  { return filepath.Join(p.Etc, "profiles") }
func (p Paths) EndpointDir() string { return filepath.Join(p.Etc, "endpoints") }
func (p Paths) TorrcDir() string    { return filepath.Join(p.Etc, "torrc.d") }
func (p Paths) ServiceDir() string  { return filepath.Join(p.Etc, "services") }
func (p Paths) PhoneDir() string    { return filepath.Join(p.Etc, "phones") }

// OnionFile is the file of one onion, DeviceFile that of one device.
func (p Paths) OnionFile(name string) string  { return filepath.Join(p.OnionDir(), name+".toml") }
func (p Paths) DeviceFile(name string) string { return filepath.Join(p.DeviceDir(), name+".toml") }

// ServiceFile is the file of one service for friends.
func (p Paths) ServiceFile(name string) string { return filepath.Join(p.ServiceDir(), name+".toml") }

// PhoneFile is the file of one phone.
func (p Paths) PhoneFile(name string) string { return filepath.Join(p.PhoneDir(), name+".toml") }

// PeerFile is the file of one friend's box.
func (p Paths) PeerFile(name string) string { return filepath.Join(p.PeerDir(), name+".toml") }

// OnionKeys is the directory of one onion's key files, in tor's own format.
func (p Paths) OnionKeys(name string) string { return filepath.Join(p.State, "onions", name) }

// RetiredKeys is the directory of the keys that an onion had under an earlier
// address (its 56 letters).
func (p Paths) RetiredKeys(name, address string) string {
	return filepath.Join(p.State, "retired", name, address)
}

// TorData is tor's DataDirectory; tor's uid owns it.
func (p Paths) TorData() string { return filepath.Join(p.State, "tor") }

// FastData and FastRun are the directories of the tor for onions that are not
// anonymous, FastTorrc its configuration file.
func (p Paths) FastData() string  { return filepath.Join(p.State, "tor-fast") }
func (p Paths) FastRun() string   { return filepath.Join(p.Run, "tor-fast") }
func (p Paths) FastTorrc() string { return filepath.Join(p.Run, "torrc-fast") }

// TorRun holds tor's control socket; tor refuses it unless its uid owns it with mode 0700.
func (p Paths) TorRun() string { return filepath.Join(p.Run, "tor") }

// TorSOCKS is the unix socket of tor's SOCKS port for serve, in a directory that tor's uid
// owns and serve's group may pass.
func (p Paths) TorSOCKS() string { return filepath.Join(p.Run, "socks", "tor.sock") }

// Torrc is the generated configuration file that tor is started with.
func (p Paths) Torrc() string { return filepath.Join(p.Run, "torrc") }

// Front is the unix socket that tor connects to for the onion called name.
func (p Paths) Front(name string) string { return filepath.Join(p.Run, "fronts", name+".sock") }

// Clock is the note of whoever asked relays for the time, in a directory that
// tor's uid owns.
func (p Paths) Clock() string { return filepath.Join(p.Run, "clock", "agreed.json") }

// API is the parent's local API socket.
func (p Paths) API() string { return filepath.Join(p.Run, "api.sock") }

// Table is where people on the box itself sit down to talk with a friend. It is root's.
func (p Paths) Table() string { return filepath.Join(p.Run, "talk.sock") }

// Lock is held by the running daemon, so that a second one on the same root is refused.
func (p Paths) Lock() string { return filepath.Join(p.Run, "lock") }

// StateFile keeps what was chosen once for this box (the virtual address ranges).
func (p Paths) StateFile() string { return filepath.Join(p.State, "state.json") }

// PeerKeys is the directory of what is secret about one friend.
func (p Paths) PeerKeys(name string) string { return filepath.Join(p.State, "peers", name) }

// Page is what is kept of log-ins to the box's own page.
func (p Paths) Page() string { return filepath.Join(p.State, "page") }

// SelfKey is the key by which this box finds its own private onions.
func (p Paths) SelfKey() string { return filepath.Join(p.State, "self.key") }

// Setup holds what there was before the last `tunic setup`. It is no part of a
// backup: what was there before is no other box's.
func (p Paths) Setup() string { return filepath.Join(p.Root, "var/lib/tunic-setup") }

// Invites is the directory of invitations that are under way.
func (p Paths) Invites() string { return filepath.Join(p.State, "invites") }

// Accounts holds the household's users, for root alone.
func (p Paths) Accounts() string { return filepath.Join(p.State, "accounts") }

// Server holds the configuration and the sockets of a managed server.
func (p Paths) Server(name string) string { return filepath.Join(p.Run, name) }

// CA holds the household's certificate authority, for root alone.
func (p Paths) CA() string { return filepath.Join(p.State, "ca") }

// BoxName is what every box is called in its own house.
const BoxName = "box.home.arpa"

// NameInHouse is what the devices of the house may call one of its onions,
// "photos.box.home.arpa", and "" for those that have no such name: home is the box
// itself, and setup.box.home.arpa has the pages for mail programs.
func NameInHouse(onion string) string {
	if onion == HomeOnion || onion == "setup" {
		return ""
	}
	return onion + "." + BoxName
}

// PeerDomain is what follows the KEY of an onion in its name as a host, the
// same in every house (RFC 8375).
const PeerDomain = ".peer.home.arpa"

// GroupDir holds groups/NAME.toml.
func (p Paths) GroupDir() string { return filepath.Join(p.Etc, "groups") }

// XMPP holds the archives, rooms, files and the queue of the XMPP server, which
// owns it.
func (p Paths) XMPP() string { return filepath.Join(p.State, "xmpp") }

// I2PDConf has lines for i2pd that the owner wants.
func (p Paths) I2PDConf() string { return filepath.Join(p.Etc, "i2pd.conf") }

// I2P is the directory of all that I2P keeps.
func (p Paths) I2P() string { return filepath.Join(p.State, "i2p") }

// I2PRouter is i2pd's own directory: its identity as a router, and what it knows of the
// network.
func (p Paths) I2PRouter() string { return filepath.Join(p.State, "i2p", "router") }

// I2PKeys holds the keys by which I2P knows what is published, NAME.dat for each onion.
func (p Paths) I2PKeys() string { return filepath.Join(p.State, "i2p", "keys") }

// IRCSecrets holds what the IRC server's cloaks and operator are made of.
func (p Paths) IRCSecrets() string { return filepath.Join(p.State, "irc.json") }

// Notices keeps which findings the admins were told of.
func (p Paths) Notices() string { return filepath.Join(p.State, "notices.json") }

// Blocks holds the last good copies of block lists; serve owns it.
func (p Paths) Blocks() string { return filepath.Join(p.State, "block") }

// Drop holds the files that friends have sent; serve owns it.
func (p Paths) Drop() string { return filepath.Join(p.State, "drop") }

// Mail holds the users' Maildirs and the spool; serve owns it.
func (p Paths) Mail() string { return filepath.Join(p.State, "mail") }
