package feature

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"tunic/gateway/describe"
	"tunic/gateway/link"
	"tunic/gateway/managed"
	"tunic/gateway/tor"
	"tunic/rules"
)

// line is one thing that a desired state says.
type line struct {
	whole string // differs if the thing does; of a secret it has a hash, or the secret itself
	shown string // without that
}

// part is a part of a desired state in lines.
type part struct {
	name  string
	whole bool // it comes and goes as a whole, as a server does; else it is always there
	lines []line
}

// String is the whole state in lines, one thing each, the same for equal states:
// for golden tests and people. No secret is in it.
func (d Desired) String() string {
	ruleset, err := compile(d.Rules)
	if err != nil {
		return "these rules cannot be: " + err.Error()
	}
	var b strings.Builder
	for _, p := range slices.Concat(d.torParts(), []part{{name: "rules", lines: ruleLines(ruleset)}}, d.otherParts()) {
		if p.whole {
			b.WriteString(p.name + "\n")
		}
		for _, l := range p.lines {
			b.WriteString(l.shown + "\n")
		}
	}
	return b.String()
}

// compile makes the rules; of no input at all, none.
func compile(in rules.Input) (rules.Ruleset, error) {
	if reflect.ValueOf(in).IsZero() {
		return rules.Ruleset{}, nil
	}
	return rules.Compile(in)
}

func ruleLines(r rules.Ruleset) []line {
	var list []string
	for _, c := range rules.Diff(rules.Ruleset{}, r) {
		list = append(list, strings.TrimPrefix(c.String(), "+ "))
	}
	return shown(list)
}

// torParts are those of the two tor processes.
func (d Desired) torParts() []part {
	lines := torLines("tor", "torrc ", d.Tor)
	if d.NoTor != nil {
		lines = append(lines, shown([]string{"tor is not started: " + d.NoTor.Error()})...)
	}
	parts := []part{{name: "tor", lines: lines}}
	if len(d.Fast.Onions) > 0 {
		parts = append(parts, part{"the second tor, for onions that are not anonymous", true,
			torLines("second tor", "second torrc ", d.Fast)})
	}
	return parts
}

// otherParts are those of tunic's own children and of servers.
func (d Desired) otherParts() []part {
	listeners := describe.Lines("listener", d.Listeners)
	slices.Sort(listeners) // whose order means nothing
	serve := d.Serve
	serve.Fronts = nil
	parts := []part{
		{name: "listeners", lines: shown(listeners)},
		{name: "onions", lines: onionLines(slices.Concat(d.Tor.Onions, d.Fast.Onions), d.Serve.Fronts, d.Certificates)},
		{name: "serve", lines: shown(describe.Lines("serve", serve))},
	}
	for _, s := range d.Servers {
		parts = append(parts, part{"server " + s.Name, true, serverLines(s)})
	}
	return parts
}

// shown are lines of package describe.
func shown(list []string) (lines []line) {
	for _, l := range list {
		lines = append(lines, line{l, describe.Shown(l)})
	}
	return lines
}

// torLines are the torrc of one tor, and what is not in it. A bridge's line says
// nothing of the bridge.
func torLines(name, torrc string, s tor.Spec) (list []line) {
	list = shown(describe.Lines(name, struct {
		Binary, Torrc string
		UID, GID      uint32
	}{s.Binary, s.Torrc, s.UID, s.GID}))
	for text := range strings.Lines(tor.Render(s, tor.Version{})) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			list = append(list, line{torrc + text, torrc + tor.Redact(text)})
		}
	}
	for _, a := range s.Auth {
		list = append(list, shown([]string{fmt.Sprintf("%s finds %s by the key %s", name, a.Onion, describe.Hidden(string(a.Key)))})...)
	}
	return list
}

// onionLines say of each onion its addresses, who finds it, and where its ports lead.
func onionLines(onions []tor.Onion, fronts []link.Front, certificates map[string]string) []line {
	var list []string
	for _, o := range onions {
		list = append(list, fmt.Sprintf("onion %s has the address %s", o.Name, o.Address))
		if o.Balance != "" {
			list = append(list, fmt.Sprintf("onion %s is balanced for %s", o.Name, o.Balance))
		}
		for _, k := range o.Clients {
			list = append(list, fmt.Sprintf("onion %s is found by the key %s", o.Name, k))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(certificates)) {
		list = append(list, fmt.Sprintf("onion %s has certificates in %s", name, certificates[name]))
	}
	for _, f := range fronts {
		name, ports := f.Onion, f.Ports
		f.Onion, f.Ports = "", nil
		list = append(list, describe.Lines("front "+name, f)...)
		for _, p := range ports {
			list = append(list, portLines(fmt.Sprintf("onion %s port %d", name, p.Virtual), p)...)
		}
	}
	return shown(list)
}

// portLines say where a port leads, as the files of onions do, and how.
func portLines(name string, p link.Port) []string {
	var where []string // one of them is set
	if p.Addr.IsValid() {
		where = append(where, p.Addr.String())
	}
	if p.Host != "" {
		where = append(where, fmt.Sprintf("%s:%d", p.Host, p.HostPort))
	}
	if p.Unix != "" {
		where = append(where, "unix:"+p.Unix)
	}
	if p.Endpoint != "" {
		where = append(where, "endpoint:"+p.Endpoint)
	}
	p.Virtual, p.Addr, p.Host, p.HostPort, p.Unix, p.Endpoint = 0, netip.AddrPort{}, "", 0, "", ""
	return append([]string{name + " -> " + strings.Join(where, ", ")}, describe.Lines(name, p)...)
}

// serverLines are what a server is started with, and its files. Of one that may
// have keys or passwords in it there is only that it is there.
func serverLines(s managed.Spec) []line {
	files, name := s.Files, "server "+s.Name
	s.Files = nil
	list := shown(describe.Lines(name, s))
	for _, f := range files {
		base := filepath.Base(f.Path)
		list = append(list, line{describe.Hidden(f), name + " " + base})
		if strings.Contains(base, ".conf") || strings.HasSuffix(base, ".cfg.lua") || base == "motd" {
			list = append(list, shown(fileLines(name+" "+base+": ", f.Text))...)
		}
	}
	return list
}

// fileLines are the lines of a configuration after a prefix, with what follows the
// words for a secret hidden.
func fileLines(prefix, text string) (list []string) {
	for text := range strings.Lines(text) {
		text = strings.TrimSpace(text)
		key, value, _ := strings.Cut(text, "=")
		if key = strings.TrimSpace(key); strings.HasSuffix(key, "Salt") || strings.HasSuffix(key, "Password") {
			text = key + " = " + describe.Hidden(value)
		}
		if text != "" {
			list = append(list, prefix+text)
		}
	}
	return list
}

// Equal reports whether two states are the same.
func (d Desired) Equal(other Desired) bool {
	return d.Tor.Equal(other.Tor) && d.Fast.Equal(other.Fast) && fmt.Sprint(d.NoTor) == fmt.Sprint(other.NoTor) &&
		reflect.DeepEqual(d.Rules, other.Rules) && reflect.DeepEqual(d.Listeners, other.Listeners) &&
		reflect.DeepEqual(d.Serve, other.Serve) && reflect.DeepEqual(d.Servers, other.Servers) &&
		maps.Equal(d.Certificates, other.Certificates)
}
