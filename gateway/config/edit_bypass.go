package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// BypassEdit is one destination that tunic.toml lets out past Tor, or does no more.
type BypassEdit struct {
	To      string   // a domain or a network, as ParseBypassTo returns it
	Devices []string // who may go there; empty: every device. Only for adding
	Remove  bool
}

// ParseBypassTo returns the domain or network that a person wrote: also as the
// address of a page.
func ParseBypassTo(text string) (string, error) {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		text = u.Hostname()
	}
	if _, err := netip.ParsePrefix(text); err == nil || isAddr(text) {
		prefix, p := parseBypassPrefix(text)
		if p != nil {
			return "", Error{Msg: p.msg, Hint: p.hint}
		}
		return prefix.String(), nil
	}
	domain, p := parsePublicDomain(text, "name one site: tunic bypass add bank.example")
	if p != nil {
		return "", Error{Msg: p.msg, Hint: p.hint}
	}
	return domain, nil
}

func isAddr(text string) bool { _, err := netip.ParseAddr(text); return err == nil }

// Has reports whether the bypass lets out a destination, as ParseBypassTo
// returns it.
func (b Bypass) Has(to string) bool {
	return slices.Contains(b.Domains, to) || slices.ContainsFunc(b.Prefixes, func(p netip.Prefix) bool { return p.String() == to })
}

// EditBypass changes tunic.toml. What is added gets a [[bypass]] of its own at the end;
// what is removed leaves its own lines alone. After a power cut there is either
// the old or the new file. Callers take turns, and Load afterwards.
func EditBypass(p Paths, e BypassEdit) error {
	path := p.Main()
	old, err := readFile(path)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	known := (&loader{paths: p}).deviceNames()
	text, err := editBypass(e, path, string(old), known)
	if err != nil {
		return changing(path, err)
	}
	if text == string(old) {
		return nil
	}
	return writeFile(path, []byte(text))
}

// editBypass returns the changed text of tunic.toml.
func editBypass(e BypassEdit, path, text string, known []string) (string, error) {
	for _, name := range e.Devices { // it goes into the file as it is
		if !slices.Contains(known, name) {
			return "", Error{Msg: fmt.Sprintf("there is no device called %q", name), Hint: NamingHint(name)}
		}
	}
	all, err := parseBypasses(path, text, known)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(b Bypass) bool { return b.Has(e.To) })
	switch {
	case e.Remove && i < 0:
		return "", Error{Msg: e.To + " is in no [[bypass]]", Hint: "`tunic bypass list` has all that is"}
	case e.Remove:
		return cutBypass(e.To, path, text, known, all, i)
	case i >= 0 && sameNames(all[i].Devices, e.Devices):
		return text, nil
	case i >= 0:
		return "", Error{Msg: fmt.Sprintf("%s is let out already, for %s", e.To, Who(all[i].Devices)),
			Hint: "to change for whom: tunic bypass remove " + e.To + ", then add it again"}
	}
	added := strings.TrimRight(text, "\n") + "\n\n" + bypassTOML(e)
	changed, err := parseBypasses(path, added, known)
	if err != nil {
		return "", err
	}
	if len(changed) != len(all)+1 || !changed[len(all)].Has(e.To) {
		return "", errByHand
	}
	return added, nil
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Who says in words for which devices something is.
func Who(devices []string) string {
	if len(devices) == 0 {
		return "every device"
	}
	return strings.Join(devices, ", ")
}

func bypassTOML(e BypassEdit) string {
	key := "domains"
	if _, err := netip.ParsePrefix(e.To); err == nil {
		key = "prefixes"
	}
	text := fmt.Sprintf("[[bypass]]\n%s = [%q]\n", key, e.To)
	if len(e.Devices) > 0 {
		text += `devices = ["` + strings.Join(e.Devices, `", "`) + "\"]\n"
	}
	return text
}

// parseBypasses reads every [[bypass]] of a text.
func parseBypasses(path, text string, known []string) ([]Bypass, error) {
	doc, top := parseDocument(path, []byte(text))
	var all []Bypass
	for _, e := range top.tables("bypass") {
		all = append(all, readBypass(e, known))
	}
	if len(doc.errs) > 0 {
		return nil, doc.errs
	}
	return all, nil
}

var (
	bypassHeader = regexp.MustCompile(`^\s*\[\[\s*bypass\s*\]\]\s*(?:#.*)?\n?$`)
	anyHeader    = regexp.MustCompile(`^\s*\[`)
)

// cutBypass takes a destination out of the i-th [[bypass]], and all of that if nothing
// else is in it.
func cutBypass(to, path, text string, known []string, all []Bypass, i int) (string, error) {
	begin, end := bypassSpan(text, i)
	if begin < 0 {
		return "", errByHand
	}
	b, changed := all[i], ""
	if len(b.Domains)+len(b.Prefixes) == 1 {
		changed = strings.TrimRight(text[:begin], "\n") + "\n" + text[end:]
	} else {
		body := begin + strings.IndexByte(text[begin:], '\n') + 1
		key, at := "domains", slices.Index(b.Domains, to)
		if at < 0 {
			key, at = "prefixes", slices.IndexFunc(b.Prefixes, func(p netip.Prefix) bool { return p.String() == to })
		}
		rest, err := cutElement(text[body:end], key, at)
		if err != nil {
			return "", err
		}
		changed = text[:body] + rest + text[end:]
	}
	left, err := parseBypasses(path, changed, known)
	if err != nil || countTo(left) != countTo(all)-1 || slices.ContainsFunc(left, func(b Bypass) bool { return b.Has(to) }) {
		return "", errByHand
	}
	return changed, nil
}

func countTo(all []Bypass) (n int) {
	for _, b := range all {
		n += len(b.Domains) + len(b.Prefixes)
	}
	return n
}

// bypassSpan finds the lines of the i-th [[bypass]], from its header to the next
// header of any kind; -1 if it is written otherwise.
func bypassSpan(text string, i int) (begin, end int) {
	at := 0
	begin = -1
	for line := range strings.Lines(text) {
		switch {
		case begin >= 0 && anyHeader.MatchString(line):
			return begin, at
		case begin < 0 && bypassHeader.MatchString(line):
			if i == 0 {
				begin = at
			}
			i--
		}
		at += len(line)
	}
	return begin, at
}
