package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// hostPattern is labels of letters, digits and hyphens.
var hostPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

const maxHostName = 253 // RFC 1035, section 2.3.4, without the final dot

// isHostName reports whether text, in lower case, is the name of a host. The
// last label has a letter in it, and does not begin as a hexadecimal number
// does: no odd spelling of an address is a name.
func isHostName(text string) bool {
	last := text[strings.LastIndexByte(text, '.')+1:]
	return len(text) <= maxHostName && hostPattern.MatchString(text) &&
		strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x")
}

// cutName splits NAME:PORT if NAME looks like that of a host.
func cutName(text string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(text)
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host, port, err == nil && isHostName(host)
}

func parseTargetName(host, port string) (Target, *problem) {
	n, p := parsePort(port)
	switch {
	case p != nil:
		return Target{}, p
	case host == "localhost" || strings.HasSuffix(host, ".localhost"):
		return Target{}, problemf(fmt.Sprintf("write %q", "127.0.0.1:"+port), "%q is a name", host)
	case strings.HasSuffix(host, ".onion") || strings.HasSuffix(host, ".home.arpa"):
		return Target{}, problemf("a target is a host of this house", "%q is reached through Tor", host)
	}
	return Target{Host: host, Port: n}, nil
}

// checkTargetName refuses names that nobody in the house answers for: they
// would have to be looked up outside, and lead there.
func checkTargetName(host string, forward []Forward) *problem {
	if !strings.Contains(host, ".") {
		return nil // a device: by its file, or by the name that it gives the DHCP server
	}
	if slices.ContainsFunc(forward, func(f Forward) bool { return host == f.Domain || strings.HasSuffix(host, "."+f.Domain) }) {
		return nil
	}
	first, rest, _ := strings.Cut(host, ".")
	return problemf(fmt.Sprintf("write %q, its name in devices/ or at the DHCP server, give its address, "+
		"or name the server in [[dns.forward]] with domain = %q", first, rest),
		"nobody in the house answers for %q", host)
}

// readTarget reads a port's target: a text, or a table with "to" and how.
func readTarget(ports *table, key string) (Target, bool) {
	if _, isTable := ports.values[key].(map[string]any); !isTable {
		return targetText(ports, key)
	}
	t := ports.table(key)
	target, ok := targetText(t, "to")
	if !t.has("to") {
		t.missing("to", targetHint)
	}
	if text, has := t.text("proxy"); has {
		target.Proxy = ProxyVersion(text)
		if target.Proxy != ProxyV1 && target.Proxy != ProxyV2 {
			t.add("proxy", problemf(`write "v1" or "v2", as the server expects it`, "%q is no version of the PROXY protocol", text))
			ok = false
		}
	}
	if text, has := t.text("host"); has {
		target.HTTPHost = text
		if p := checkHTTPHost(text); p != nil {
			t.add("host", p)
			ok = false
		}
	}
	if target.Endpoint != "" && (target.Proxy != "" || target.HTTPHost != "") {
		t.add("to", problemf("leave proxy and host out", "an endpoint of the box knows who calls without being told"))
		ok = false
	}
	t.finish()
	return target, ok
}

func targetText(t *table, key string) (Target, bool) {
	text, ok := t.text(key)
	if !ok {
		return Target{}, false
	}
	target, p := parseTarget(text)
	if p != nil {
		t.add(key, p)
		return Target{}, false
	}
	return target, true
}

// checkHTTPHost checks what is put into requests: a host with or without a port.
func checkHTTPHost(text string) *problem {
	host := text
	if h, port, err := net.SplitHostPort(text); err == nil {
		if _, p := parsePort(port); p != nil {
			return p
		}
		host = h
	}
	if _, err := netip.ParseAddr(host); err != nil && !isHostName(strings.ToLower(host)) {
		return problemf(`write the name that the server expects, like "photos.lan"`, "%q is no host name", text)
	}
	return nil
}

// toml is the target as the value of its port.
func (t Target) toml() string {
	quoted := func(text string) string { return `"` + basicString.Replace(text) + `"` }
	if t.Proxy == "" && t.HTTPHost == "" {
		return quoted(t.String())
	}
	words := []string{"to = " + quoted(t.String())}
	if t.Proxy != "" {
		words = append(words, "proxy = "+quoted(string(t.Proxy)))
	}
	if t.HTTPHost != "" {
		words = append(words, "host = "+quoted(t.HTTPHost))
	}
	return "{ " + strings.Join(words, ", ") + " }"
}

// clientsTOML is the part of an onion's file about who may find it.
func clientsTOML(o Onion) string {
	if !o.Private && len(o.Clients) == 0 {
		return ""
	}
	var b strings.Builder
	if o.Private {
		b.WriteString("private = true\n")
	}
	if len(o.Clients) > 0 {
		var words []string
		for _, c := range o.Clients {
			words = append(words, `"`+basicString.Replace(c.String())+`"`)
		}
		b.WriteString("clients = [" + strings.Join(words, ", ") + "]\n")
	}
	return b.String() + "\n"
}
