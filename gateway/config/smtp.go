package config

import (
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// smtpName is the endpoint for mail.
const smtpName = "smtp"

// StrangersOnion is the onion on which everybody may bring mail. It has no file.
const StrangersOnion = "mail-strangers"

// SMTP is endpoints/smtp.toml.
type SMTP struct {
	Strangers bool  // everybody may bring mail, on an onion of its own
	MaxSize   int64 // bytes of one mail; default 50 MB
	Quota     int64 // bytes of one user's mail; default 2 GB

	Smarthost *Smarthost // nil: no mail goes to the internet
}

// Smarthost is [smarthost]: a mail provider's server for mail to the internet.
type Smarthost struct {
	Host         string
	Port         uint16
	User         string
	PasswordFile string // absolute path
	From         string // the address at the provider
}

// Bounds of the sizes, in megabytes.
const (
	megabyte       = 1_000_000
	defaultMaxSize = 50
	maxMaxSize     = 500
	defaultQuota   = 2_000
	maxQuota       = 10_000_000
)

// Mail returns the mail endpoint, if it is set up.
func (c *Config) Mail() (SMTP, bool) {
	e, ok := c.own(smtpName)
	return e.SMTP, ok
}

// readSMTP reads what endpoints/smtp.toml says. An empty file is enough.
func readSMTP(t *table) SMTP {
	var s SMTP
	s.Strangers, _ = t.boolean("strangers")
	s.MaxSize = megabytes(t, "max-size", defaultMaxSize, maxMaxSize)
	s.Quota = megabytes(t, "quota", defaultQuota, maxQuota)
	if t.has("smarthost") {
		s.Smarthost = readSmarthost(t.table("smarthost"))
	}
	return s
}

// readSmarthost reads [smarthost], of which every key is needed.
func readSmarthost(t *table) *Smarthost {
	var s Smarthost
	text := func(key, hint string, take func(string) bool) {
		value, ok := t.text(key)
		switch {
		case !t.has(key):
			t.missing(key, hint)
		case ok && !take(value):
			t.add(key, problemf(hint, "%q is not right", value))
		}
	}
	text("server", `like "mail.provider.example:465"`, func(v string) bool {
		host, port, err := net.SplitHostPort(v)
		n, bad := parsePort(port)
		s.Host, s.Port = host, n
		return err == nil && bad == nil && strings.Contains(host, ".")
	})
	text("user", "what the provider calls you", func(v string) bool { s.User = v; return v != "" })
	text("password-file", `the file that holds the password alone, like "/etc/tunic/smarthost.password"`, func(v string) bool {
		s.PasswordFile = filepath.Clean(v)
		return filepath.IsAbs(v)
	})
	text("from", "your address at the provider", func(v string) bool {
		s.From = v
		local, domain, ok := strings.Cut(v, "@")
		return ok && local != "" && strings.Contains(domain, ".") && !strings.HasSuffix(domain, PeerDomain) &&
			!strings.ContainsAny(v, " <>\",;")
	})
	return &s
}

// megabytes reads a size in MB and returns it in bytes.
func megabytes(t *table, key string, standard, most int64) int64 {
	n, ok := t.integer(key)
	switch {
	case !ok:
		n = standard
	case n < 1 || n > most:
		t.add(key, problemf("it is a number of megabytes", "%d is not between 1 and %d", n, most))
	}
	return n * megabyte
}

// Group is groups/NAME.toml: one mail address for several people.
type Group struct {
	Name    string
	Title   string   // for people; may be empty
	Members []Member // at least one
}

// Member is a mail address in a group. One of Petname and Onion is set; neither
// means a user of this box.
type Member struct {
	Local   string
	Petname string
	Onion   string // the 56 letters of a home onion
}

// localPattern is the part before the @ of an address, as boxes give them out.
var localPattern = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

const memberHint = `write "bob@alice" for a friend's Bob, "bob" for your own, or the whole address with its 56 letters`

// groups reads groups/NAME.toml.
func (l *loader) groups(cfg *Config) {
	_, mail := cfg.Mail()
	l.each(l.paths.GroupDir(), func(name string, t *table) {
		g := Group{Name: name}
		g.Title, _ = t.text("title")
		n, _ := t.texts("members", func(path, text string) {
			m, bad := parseMember(text)
			if bad == nil && m.Petname != "" && !slices.ContainsFunc(cfg.Peers, func(p Peer) bool { return p.Name == m.Petname }) {
				bad = problemf("see `tunic friends`", "no friend is called %q", m.Petname)
			}
			if bad == nil && slices.Contains(g.Members, m) {
				bad = problemf("", "%q is named twice", text)
			}
			if bad != nil {
				t.doc.add(path, bad)
				return
			}
			g.Members = append(g.Members, m)
		})
		switch {
		case n == 0:
			t.missing("members", memberHint)
		case !mail:
			t.doc.add("", problemf("make the file "+filepath.Join(l.paths.EndpointDir(), "smtp.toml")+"; it may be empty",
				"a group needs mail, which is not set up"))
		}
		cfg.Groups = append(cfg.Groups, g)
	})
}

// parseMember reads one address of a group.
func parseMember(text string) (Member, *problem) {
	local, domain, remote := strings.Cut(strings.ToLower(text), "@")
	m := Member{Local: local}
	if !localPattern.MatchString(local) || remote && domain == "" {
		return m, problemf(memberHint, "%q is no address of a box", text)
	}
	name := strings.TrimSuffix(strings.TrimSuffix(domain, PeerDomain), ".onion")
	switch key, bad := parseKey(name); {
	case !remote:
	case bad == nil:
		m.Onion = key
	case strings.Contains(name, "."):
		return m, problemf(memberHint, "%q is not on a friend's box: groups have no members elsewhere", text)
	default:
		m.Petname = name
	}
	return m, nil
}
