// Package i2p describes the I2P router of a box: i2pd, which speaks with nobody but tor,
// and the keys of what is published by it.
//
// It runs nothing and keeps nothing: package managed runs the server that Settings.Spec
// describes. Nothing here protects anybody from i2pd itself, which sees the names that
// devices ask for; that it reaches the internet by tor alone is held by the rules of its
// user, not by its configuration.
package i2p

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"tunic/gateway/managed"
)

// memory bounds i2pd's data, in bytes: some 20 MB at rest, the stacks of a dozen threads,
// and what it knows of some thousand routers.
const memory = 512 << 20

// Debian's certificates, by which i2pd believes the servers that tell it of other routers.
const certificates = "/usr/share/i2pd/certificates"

// Settings are all that the router depends on.
type Settings struct {
	Dir      string // of its configuration, below the run directory
	Router   string // its own directory, which it may write
	Keys     string // the directory of keys of what is published
	UID, GID uint32
	SOCKS    netip.AddrPort // where it takes connections to names, on loopback, for serve
	Tor      netip.AddrPort // tor's SocksPort, its only way out
	Lines    []string       // "key = value": what the owner adds
	Tunnels  []Tunnel
}

// Tunnel is one port of an onion that is published by I2P too.
type Tunnel struct {
	Onion string // its name in this house; ports of one onion have one address
	Port  uint16 // that visitors dial
	To    netip.AddrPort
}

// Spec describes the server: i2pd 2.41 to 2.59, which read the same. The arguments count
// before the configuration file.
func (s Settings) Spec() managed.Spec {
	conf, tunnels := filepath.Join(s.Dir, "i2pd.conf"), filepath.Join(s.Dir, "tunnels.conf")
	proxy := "socks://" + s.Tor.String()
	return managed.Spec{
		Name: "i2pd", Program: "i2pd", Package: "i2pd", Parts: []string{certificates}, Memory: memory,
		Version: managed.Versions{Args: []string{"--version"}, From: "2.41", Below: "2.60"},
		Args: []string{"--conf=" + conf, "--tunconf=" + tunnels, "--tunnelsdir=" + filepath.Join(s.Dir, "none"),
			"--datadir=" + s.Router, "--certsdir=" + certificates, "--pidfile=" + filepath.Join(s.Router, "i2pd.pid"),
			"--log=stdout", "--loglevel=error", // its other lines name whom devices visit
			"--ntcp2.proxy=" + proxy, "--reseed.proxy=" + proxy, "--reseed.verify=true",
			"--ntcp2.enabled=true", "--ntcp2.published=false", "--ssu2.enabled=false", "--ssu2.published=false", "--notransit",
			"--upnp.enabled=false", "--nettime.enabled=false", "--http.enabled=false", "--httpproxy.enabled=false",
			"--sam.enabled=false", "--bob.enabled=false", "--i2cp.enabled=false", "--i2pcontrol.enabled=false",
			"--socksproxy.enabled=true", "--socksproxy.outproxy.enabled=false",
			"--socksproxy.address=" + s.SOCKS.Addr().String(), fmt.Sprintf("--socksproxy.port=%d", s.SOCKS.Port())},
		UID: s.UID, GID: s.GID, Dir: s.Dir, Work: s.Router,
		Files: []managed.File{
			{Path: conf, Text: lines(s.Lines), Change: managed.Restart},
			{Path: tunnels, Text: s.tunnels(), Change: managed.Reload},
		},
		// The first words of SOCKS 5 (RFC 1928): no login.
		Probe: managed.Probe{Addr: s.SOCKS, Send: "\x05\x01\x00", Expect: "\x05\x00"},
	}
}

func lines(list []string) string {
	var b strings.Builder
	for _, l := range list {
		b.WriteString(l + "\n")
	}
	return b.String()
}

// tunnels are the ports that are published. i2pd gives each visitor an address of its own
// in 127.0.0.0/8, and whoever dials another port than these comes to the first.
func (s Settings) tunnels() string {
	var b strings.Builder
	for _, t := range s.Tunnels {
		fmt.Fprintf(&b, "[%s-%d]\ntype = server\nhost = %s\nport = %d\ninport = %d\nkeys = %s\nenableuniquelocal = true\n",
			t.Onion, t.Port, t.To.Addr(), t.To.Port(), t.Port, s.keysFor(t.Onion))
	}
	return b.String()
}

// keysFor is how i2pd finds a file of keys: it takes every path for one below its own
// directory.
func (s Settings) keysFor(onion string) string {
	path := KeysFile(s.Keys, onion)
	if rel, err := filepath.Rel(s.Router, path); err == nil {
		return rel
	}
	return path
}

// KeysFile is where the keys of an onion lie in a directory.
func KeysFile(dir, onion string) string { return filepath.Join(dir, onion+".dat") }
