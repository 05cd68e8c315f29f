package config

import "path/filepath"

// Ports that tunic's own processes listen on. Devices never type the internal
// ones: nat rules redirect what they do type (53, 9050, 70) to them, so that
// no other server on the box is in the way.
const (
	TransPort uint16 = 9240 // tor, transparent TCP, all addresses; reachable only for redirected traffic
	SocksPort uint16 = 9250 // tor, SOCKS5, 127.0.0.1
	DNSPort   uint16 = 9253 // tor, A/AAAA/PTR over UDP, 127.0.0.1 and [::1]

	ServeSocksPort  uint16 = 9350 // serve, SOCKS5 for the household
	ServeDNSPort    uint16 = 9353 // serve, DNS for the household, UDP and TCP
	ServeGopherPort uint16 = 9370 // serve, Gopher for the household
	ServeNTPPort    uint16 = 9323 // serve, time for the household, UDP
)

// Users that the daemon's children run as. They exist only for tunic, so that
// a rule that names one of them names nothing else.
const (
	TorUser   = "tunic-tor"
	ServeUser = "tunic"
)

// Paths are all the places where tunic keeps something. Every path is below
// the root, which is "/" on a real box and a directory of its own in the lab.
type Paths struct {
	Root  string // "/" or the directory given with --root
	Etc   string // tunic.toml, devices/, onions/, endpoints/, torrc.d/
	State string // keys, tor's data: all that a backup holds
	Run   string // sockets and status, gone after a reboot
}

// NewPaths returns the paths below root; "" means "/".
func NewPaths(root string) Paths {
	if root == "" {
		root = "/"
	}
	return Paths{
		Root:  root,
		Etc:   filepath.Join(root, "etc/tunic"),
		State: filepath.Join(root, "var/lib/tunic"),
		Run:   filepath.Join(root, "run/tunic"),
	}
}

func (p Paths) Main() string        { return filepath.Join(p.Etc, "tunic.toml") }
func (p Paths) DeviceDir() string   { return filepath.Join(p.Etc, "devices") }
func (p Paths) OnionDir() string    { return filepath.Join(p.Etc, "onions") }
func (p Paths) EndpointDir() string { return filepath.Join(p.Etc, "endpoints") }
func (p Paths) TorrcDir() string    { return filepath.Join(p.Etc, "torrc.d") }

// OnionKeys is the directory of one onion's key files, in tor's own format.
func (p Paths) OnionKeys(name string) string { return filepath.Join(p.State, "onions", name) }

// TorData is tor's DataDirectory; tor's uid owns it.
func (p Paths) TorData() string { return filepath.Join(p.State, "tor") }

// TorRun holds tor's control socket; tor refuses it unless its uid owns it with mode 0700.
func (p Paths) TorRun() string { return filepath.Join(p.Run, "tor") }

// Torrc is the generated configuration file that tor is started with.
func (p Paths) Torrc() string { return filepath.Join(p.Run, "torrc") }

// Front is the unix socket that tor connects to for the onion called name.
func (p Paths) Front(name string) string { return filepath.Join(p.Run, "fronts", name+".sock") }

// API is the parent's local API socket.
func (p Paths) API() string { return filepath.Join(p.Run, "api.sock") }

// Lock is held by the running daemon, so that a second one on the same root is refused.
func (p Paths) Lock() string { return filepath.Join(p.Run, "lock") }

// StateFile keeps what was chosen once for this box (the virtual address ranges).
func (p Paths) StateFile() string { return filepath.Join(p.State, "state.json") }
