package xmpp

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Config is all that Prosody's configuration depends on.
type Config struct {
	Host string // "KEY.peer.home.arpa", the domain of all addresses here

	Data    string // directory of accounts, archives, queue and files; Prosody's own
	Modules string // directory that holds Modules
	PIDFile string

	// Ports on Interface. Streams of servers come from our front alone, and
	// requests for files from serve, where their TLS ends.
	Interface                         string
	ClientPort, ServerPort, FilesPort uint16
	PublicFilesPort                   uint16 // what clients dial for files
	SOCKSPort                         uint16 // tor's, on 127.0.0.1, without authentication

	Certificate, Key string // PEM files for Host and Rooms

	Admins []string // names of users
	Peers  []Peer   // sorted; nobody else is spoken to
	Users  string   // changes with the accounts: who is no user any more is logged out
}

// Peer is a friend's box.
type Peer struct {
	Host  string // "KEY.peer.home.arpa"
	Onion string // "KEY.onion"
	Came  string // changes when the box has come back: what waits for it goes out at once
}

// Rooms is the domain of the rooms on a host, and Files that of shared files.
func Rooms(host string) string { return "rooms." + host }
func Files(host string) string { return "files." + host }

// Limits. A stream over Tor that is slower than a few kilobytes a second is
// common, so the limits are for floods.
const (
	fileSize   = 16 << 20       // one shared file, bytes
	fileDay    = 200 << 20      // of one user in a day
	fileTotal  = int64(2 << 30) // of everybody; an int has 32 bits on small machines
	fileDays   = 31
	queueDays  = 5
	queueRetry = 60 // seconds
	s2sTimeout = 120
)

// Newest is the version from which on a Prosody reads what Render(c, true) says.
const Newest = "13"

// Render returns the configuration file (prosody.im/doc/configure) for Prosody
// 0.12, or for 13 (prosody.im/doc/release/13.0.0).
func Render(c Config, newest bool) string {
	global, by := []string{"posix"}, []string(nil) // what only this version has
	if newest {
		global, by = nil, []string{"tunic_sendq"}
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("-- Written by tunic; changes here are lost.")
	if c.Users != "" {
		line("-- Accounts: %s.", c.Users)
	}
	line("pidfile = %s", quote(c.PIDFile))
	line("data_path = %s", quote(c.Data))
	line("plugin_paths = { %s }", quote(c.Modules))
	line(`log = { { levels = { min = "info" }, to = "console", timestamps = false } }`)
	line(`umask = "077"`)
	line("interfaces = { %s }", quote(c.Interface))
	line("c2s_ports = { %d }", c.ClientPort)
	line("s2s_ports = { %d }", c.ServerPort)
	line("c2s_direct_tls_ports = {}")
	line("s2s_direct_tls_ports = {}")
	line("http_ports = { %d }", c.FilesPort)
	line("http_interfaces = { %s }", quote(c.Interface))
	line("https_ports = {}")
	line("modules_enabled = { %s }", list(slices.Concat(global, enabled, by)))
	if newest {
		line("component_admins_as_room_owners = true")
	}
	line("modules_disabled = { %s }", list(disabled))
	line("storage = { %s } -- others are internal", storage)
	line("storage_archive_item_limit = %d -- tunic's stores have bounds of their own", math.MaxInt32)
	line(`authentication = "internal_hashed"`)
	line(`password_hash = "SHA-256"`)
	line("c2s_require_encryption = true")
	line("s2s_require_encryption = true")
	line("s2s_secure_auth = false -- the name is the key; dialback goes to the onion")
	line("s2s_timeout = %d", s2sTimeout)
	line("smacks_enabled_s2s = false -- it gives back what tunic_queue keeps")
	line("archive_expires_after = \"1y\"")
	line("default_archive_policy = true")
	line(`limits = { c2s = { rate = "100kb/s", burst = "5s" }, s2sin = { rate = "100kb/s", burst = "5s" } }`)
	line("onions_only = true")
	line(`onions_socks5_host = "127.0.0.1"`)
	line("onions_socks5_port = %d", c.SOCKSPort)
	line("onions_map = { %s }", peers(c.Peers))
	line("tunic_came = { %s }", came(c.Peers))
	line("tunic_queue_days = %d", queueDays)
	line("tunic_queue_retry = %d", queueRetry)
	line("ssl = { certificate = %s, key = %s }", quote(c.Certificate), quote(c.Key))
	line("admins = { %s }", list(addresses(c.Admins, c.Host)))
	line("")
	line("VirtualHost %s", quote(c.Host))
	line("")
	line("Component %s \"muc\"", quote(Rooms(c.Host)))
	line("  name = \"Rooms\"")
	line("  modules_enabled = { %s }", list(slices.Concat([]string{"muc_mam", "onions", "tunic_queue"}, by)))
	line("  muc_room_locking = false -- simple clients never unlock one")
	line("  muc_room_default_persistent = true")
	line("  muc_room_default_public = false")
	line("  restrict_room_creation = \"local\"")
	line("  muc_log_expires_after = \"1y\"")
	line("")
	line("Component %s \"http_file_share\"", quote(Files(c.Host)))
	line("  http_host = %s", quote(c.Host))
	line("  http_external_url = %s", quote("https://"+c.Host+":"+strconv.Itoa(int(c.PublicFilesPort))+"/"))
	line("  http_file_share_size_limit = %d", fileSize)
	line("  http_file_share_daily_quota = %d", fileDay)
	line("  tunic_files_bytes = %d", fileTotal)
	line("  http_file_share_expires_after = %d", fileDays*24*60*60)
	line("  http_file_share_access = { %s }", quote(c.Host))
	return b.String()
}

// enabled are the modules besides those that Prosody loads by itself.
var enabled = []string{
	"roster", "saslauth", "tls", "dialback", "disco", "ping",
	"carbons", "mam", "offline", "smacks", "csi_simple",
	"pep", "private", "blocklist", "bookmarks", "vcard4", "vcard_legacy",
	"limits", "onions", "tunic_friends", "tunic_logins", "tunic_queue", "tunic_requests", "tunic_turns", "tunic_users",
}

// storage has what others can fill kept by mod_storage_tunic, which divides it.
const storage = `archive = "tunic", muc_log = "tunic", offline = "tunic", uploads = "tunic"`

// disabled: s2s_bidi would let a friend's stream carry our answers, which
// mod_onions does not understand, and s2s_auth_certs lets a certificate of any
// authority speak for a domain.
var disabled = []string{"s2s_bidi", "s2s_auth_certs", "admin_shell", "admin_socket"}

// peers maps each friend's host and rooms to their onion; tor serves names below
// an onion's by itself (rend-spec-v3, "onion addresses").
func peers(list []Peer) string {
	var entries []string
	for _, p := range list {
		for _, host := range []string{p.Host, Rooms(p.Host)} {
			entries = append(entries, fmt.Sprintf("[%s] = %s", quote(host), quote(p.Onion)))
		}
	}
	return strings.Join(entries, ", ")
}

// came says when each friend's box has come back.
func came(list []Peer) string {
	var entries []string
	for _, p := range list {
		if p.Came != "" {
			entries = append(entries, fmt.Sprintf("[%s] = %s", quote(p.Host), quote(p.Came)))
		}
	}
	return strings.Join(entries, ", ")
}

func addresses(names []string, host string) []string {
	var list []string
	for _, n := range names {
		list = append(list, n+"@"+host)
	}
	return list
}

func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, ", ")
}

// quote writes a string of Lua (Lua 5.4 manual, 3.1). Control characters have
// no business in any value here.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, "\\u{%x}", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
