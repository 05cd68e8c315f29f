package xmpp

import (
	"fmt"
	"net/netip"
	"path"
	"path/filepath"

	"tunic/gateway/managed"
)

// Settings are all that the server depends on.
type Settings struct {
	Dir      string // its own, below the run directory
	Data     string // what it keeps
	UID, GID uint32

	Host                   string // "KEY.peer.home.arpa"
	Clients, Servers, HTTP netip.AddrPort
	PublicFiles, SOCKS     uint16
	Certificate, Key       string // PEM
	Admins                 []string
	Peers                  []Peer
	Users                  string // see Config
}

// library is where Prosody is; the module for onions is of Debian's package
// prosody-modules.
const (
	library = "/usr/lib/prosody/"
	onions  = library + "modules/mod_onions/mod_onions.lua"
)

// Spec describes the server: Prosody 0.12 or 13.
func (s Settings) Spec() managed.Spec {
	work := filepath.Join(s.Dir, "work")
	in := func(name string) string { return filepath.Join(s.Dir, name) }
	c := Config{Host: s.Host, Data: s.Data, Modules: s.Dir, PIDFile: filepath.Join(work, "pid"), Interface: s.Clients.Addr().String(),
		ClientPort: s.Clients.Port(), ServerPort: s.Servers.Port(), FilesPort: s.HTTP.Port(),
		PublicFilesPort: s.PublicFiles, SOCKSPort: s.SOCKS,
		Certificate: in("cert.pem"), Key: in("key.pem"), Admins: s.Admins, Peers: s.Peers, Users: s.Users}
	spec := managed.Spec{
		Name: "prosody", Program: "prosody", Package: "prosody-modules", Parts: []string{onions},
		// Prosody takes no word for its version, and prosodyctl wants a
		// configuration; both read this file.
		Version: managed.Versions{Program: "cat", Args: []string{library + "prosody.version"}, From: "0.12", Below: "14"},
		Args:    []string{"-F", "--config", in("prosody.cfg.lua")},
		UID:     s.UID, GID: s.GID, Dir: s.Dir, Work: work, Memory: 256 << 20,
		Stale: []string{c.PIDFile},
		Probe: managed.Probe{Addr: s.Clients, Expect: "<?xml version='1.0'?>",
			Send: fmt.Sprintf("<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' "+
				"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", s.Host)},
	}
	for _, m := range modules() {
		m.Path = in(m.Path)
		spec.Files = append(spec.Files, m)
	}
	spec.Files = append(spec.Files,
		managed.File{Path: c.Certificate, Text: s.Certificate, Change: managed.Reload},
		managed.File{Path: c.Key, Text: s.Key, Change: managed.Reload},
		managed.File{Path: in("prosody.cfg.lua"), Text: Render(c, false),
			Newer: []managed.Dialect{{From: Newest, Text: Render(c, true)}}, Change: managed.Reload})
	return spec
}

// modules are the files of Modules, by their names.
func modules() (list []managed.File) {
	const dir = "modules"
	entries, err := Modules.ReadDir(dir)
	for _, e := range entries {
		var text []byte
		if text, err = Modules.ReadFile(path.Join(dir, e.Name())); err != nil {
			break
		}
		list = append(list, managed.File{Path: e.Name(), Text: string(text), Change: managed.Restart})
	}
	if err != nil {
		panic(err) // they are of one piece
	}
	return list
}
