package tor

import (
	"net/netip"
	"strings"
)

// hidden stands in texts where a part of a bridge's line was.
const hidden = "[bridge]"

// hider takes what bridge lines say out of tor's words, which go to logs and
// to people's screens: address, fingerprint, and the values of arguments.
func (s Spec) hider() func(string) string {
	var pairs []string
	for _, b := range s.Bridges {
		for _, word := range strings.Fields(b.Line) {
			for _, secret := range secrets(word) {
				pairs = append(pairs, secret, hidden)
			}
		}
	}
	if len(pairs) == 0 {
		return func(text string) string { return text }
	}
	return strings.NewReplacer(pairs...).Replace
}

// secrets returns the parts of a word of a bridge line that tell which bridge
// it is, longer ones first. A short value, such as that of iat-mode=0, tells
// nothing and may be a part of anything.
func secrets(word string) []string {
	if addr, err := netip.ParseAddrPort(word); err == nil {
		return []string{word, addr.Addr().String()}
	}
	if _, value, isArg := strings.Cut(word, "="); isArg {
		word = value
	}
	if len(word) < 10 {
		return nil
	}
	return []string{word, strings.ToLower(word)}
}

// Redact returns a line of a torrc without what a bridge's line says: for
// plans, which people show to others.
func Redact(line string) string {
	words := strings.Fields(line)
	if len(words) < 2 || !strings.EqualFold(words[0], "bridge") {
		return line
	}
	if strings.Contains(words[1], ":") {
		return "Bridge (not shown)"
	}
	return "Bridge " + words[1] + " (not shown)"
}
