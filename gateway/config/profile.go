package config

import (
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Profile is what is known of a service that people publish.
type Profile struct {
	Name   string `json:"name"`
	Title  string `json:"title"`           // what it is, in a few words
	Port   uint16 `json:"port"`            // at the onion
	Target uint16 `json:"target"`          // where the service listens by default
	Probe  string `json:"probe"`           // the protocol by which it is known to be up, one of Probes
	Visit  string `json:"visit"`           // what a visitor opens or types, with {host} for the name
	Danger string `json:"danger"`          // what to know before publishing it
	Trust  string `json:"trust,omitempty"` // web applications: which names it must be told, and how
	Docs   string `json:"docs"`            // where that comes from
}

// Probes are the protocols that a profile can name. With "tcp" a connection is
// all that is tried.
var Probes = []string{"9p", "gopher", "http", "https", "imap", "irc", "minecraft", "rdp", "rsync", "smb", "smtp", "ssh", "tcp", "tls",
	"vnc", "xmpp-client", "xmpp-server"}

//go:embed profiles.toml
var profilesText []byte

// Web reports whether visitors use a browser.
func (p Profile) Web() bool { return strings.HasPrefix(p.Visit, "http") }

// VisitAs says what a visitor opens or types who knows the onion by this name.
func (p Profile) VisitAs(host string) string { return strings.ReplaceAll(p.Visit, "{host}", host) }

// TrustAs puts an onion's own names into a text about the names to be trusted.
// key is the onion's 56 letters.
func (p Profile) TrustAs(key string) string { return strings.ReplaceAll(p.Trust, "KEY", key) }

// PortTarget makes "PORT=TARGET" of where the service is: a host, a host with
// a port, or a unix socket. What is "PORT=TARGET" already stays as it is.
func (p Profile) PortTarget(where string) string {
	if strings.Contains(where, "=") {
		return where
	}
	_, _, err := net.SplitHostPort(where)
	if addr, notAddr := netip.ParseAddr(strings.Trim(where, "[]")); notAddr == nil {
		where = net.JoinHostPort(addr.String(), strconv.Itoa(int(p.Target)))
	} else if err != nil && !strings.HasPrefix(where, unixPrefix) && !strings.HasPrefix(where, endpointPrefix) {
		where += ":" + strconv.Itoa(int(p.Target))
	}
	return fmt.Sprintf("%d=%s", p.Port, where)
}

// FindProfile returns the profile of that name, or an Error that lists those
// that may have been meant.
func FindProfile(list []Profile, name string) (Profile, error) {
	i := slices.IndexFunc(list, func(p Profile) bool { return p.Name == name })
	if i >= 0 {
		return list[i], nil
	}
	p := noProfile(list, name)
	return Profile{}, Error{Msg: p.msg, Hint: p.hint}
}

func noProfile(list []Profile, name string) *problem {
	known := make([]string, len(list))
	for i, p := range list {
		known[i] = p.Name
	}
	hint := "`tunic profiles` lists them"
	if near := near(name, known); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", ") + "? " + hint
	}
	return problemf(hint, "no profile is called %q", name)
}

// useProfile takes the profile that an onion names into the configuration.
func (l *loader) useProfile(name string, t *table, cfg *Config) {
	p, err := FindProfile(l.known, name)
	switch {
	case err != nil:
		t.add("as", noProfile(l.known, name))
	case !slices.Contains(cfg.Profiles, p):
		cfg.Profiles = append(cfg.Profiles, p)
	}
}

// LoadProfiles returns the profiles that come with tunic and those of
// profiles/NAME.toml, which win, sorted by name. Errors is every mistake.
func LoadProfiles(p Paths) ([]Profile, error) {
	l := newLoader(p)
	list := l.profiles()
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	return list, nil
}

func (l *loader) profiles() []Profile {
	builtIn, errs := ownProfiles()
	all := maps.Clone(builtIn)
	l.errs = append(l.errs, errs...)
	l.each(l.paths.ProfileDir(), func(name string, t *table) { all[name] = readProfile(name, t) })
	return slices.SortedFunc(maps.Values(all), func(a, b Profile) int { return cmp.Compare(a.Name, b.Name) })
}

// ownProfiles are those that are part of the program, which every reading of the
// configuration wants: they are read once.
var ownProfiles = sync.OnceValues(func() (map[string]Profile, Errors) {
	all := make(map[string]Profile)
	doc, t := parseDocument("profiles.toml", profilesText)
	for name := range t.values {
		all[name] = readProfile(name, t.table(name))
	}
	return all, doc.errs
})

const profileExample = `like this:
    title = "Our wiki"
    port = 80             # at the onion
    target = 3000         # where it listens
    probe = "http"
    visit = "http://{host}/"
    danger = "everybody may edit"`

func readProfile(name string, t *table) Profile {
	p := Profile{Name: name}
	for key, into := range map[string]*string{"title": &p.Title, "probe": &p.Probe, "visit": &p.Visit, "danger": &p.Danger} {
		text, ok := t.text(key)
		if !t.has(key) {
			t.missing(key, profileExample)
		}
		if ok && !oneLine(text) {
			t.add(key, problemf("", "must be one line of text"))
		}
		*into = text
	}
	for key, into := range map[string]*string{"trust": &p.Trust, "docs": &p.Docs} {
		*into, _ = t.text(key)
		if t.has(key) && !oneLine(*into) {
			t.add(key, problemf("", "must be one line of text"))
		}
	}
	for key, into := range map[string]*uint16{"port": &p.Port, "target": &p.Target} {
		n, ok := t.integer(key)
		switch {
		case !t.has(key):
			t.missing(key, profileExample)
		case ok && (n < 1 || n > 65535):
			t.add(key, problemf("", "%d is no port: 1 to 65535", n))
		}
		*into = uint16(n)
	}
	if t.has("probe") && !slices.Contains(Probes, p.Probe) {
		t.add("probe", problemf("there is: "+strings.Join(Probes, ", "), "%q is no protocol that can be probed", p.Probe))
	}
	return p
}

// oneLine reports whether a text can be printed on a line of a terminal.
func oneLine(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 })
}

// wellKnown are the protocols of ports at which no other is expected. They are
// guesses: a server there may speak something else.
var wellKnown = map[uint16]string{22: "ssh", 25: "smtp", 70: "gopher", 80: "http", 143: "imap", 443: "tls", 873: "rsync",
	993: "tls", 5222: "xmpp-client", 5269: "xmpp-server", 5900: "vnc", 6667: "irc", 6697: "tls", 25565: "minecraft"}

// ProbeFor is the protocol by which a port of the onion is known to be up.
// guessed: nobody has said so, the port's number suggests it.
func (c *Config) ProbeFor(o Onion, virtual uint16) (kind string, guessed bool) {
	if i := slices.IndexFunc(c.Profiles, func(p Profile) bool { return p.Name == o.As && p.Port == virtual }); i >= 0 {
		return c.Profiles[i].Probe, false
	}
	if kind, ok := wellKnown[virtual]; ok {
		return kind, true
	}
	return "tcp", true
}
