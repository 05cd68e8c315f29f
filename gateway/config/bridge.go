package config

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Bridge is one of [tor] bridges: an entry into the Tor network that no public
// list names. Its line is a secret between the household and whoever gave it,
// so it prints itself without it.
type Bridge struct {
	Transport   string         // one of Transports; "" for a bridge without one
	Addr        netip.AddrPort // some transports do not dial it, and it is a mere name
	Fingerprint string         // of the bridge's identity key, 40 hex digits in upper case; meek_lite alone may have none
	Args        []string       // "key=value", in the order in which they were written
}

// Line is the bridge as tor reads it, without the word Bridge (tor(1)).
func (b Bridge) Line() string {
	words := append([]string{b.Transport, b.Addr.String(), b.Fingerprint}, b.Args...)
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
	return strings.Join(words, " ")
}

// String does not name the bridge.
func (b Bridge) String() string { return "a bridge (" + b.TransportName() + ")" }

// GoString does not name the bridge either.
func (b Bridge) GoString() string { return b.String() }

// TransportName is the transport in words.
func (b Bridge) TransportName() string {
	if b.Transport == "" {
		return "no transport"
	}
	return b.Transport
}

// Host is the name of the host that the transport dials instead of the address,
// if it dials one by name: whoever answers the question learns it.
func (b Bridge) Host() string {
	for _, arg := range b.Args {
		value, ok := strings.CutPrefix(arg, "url=")
		if targets, several := strings.CutPrefix(arg, "targets="); several {
			value, _, _ = strings.Cut(targets, "|") // of lyrebird: URL|front+front
			ok = true
		}
		u, err := url.Parse(value)
		if !ok || err != nil {
			continue
		}
		if _, err := netip.ParseAddr(u.Hostname()); err != nil {
			return u.Hostname()
		}
	}
	return ""
}

// Transports returns the pluggable transports that a bridge line may name.
func Transports() []string { return []string{"obfs4", "meek_lite", "snowflake", "webtunnel"} }

// neededArgs are those without which the transport's program gives up, or,
// worse, takes what was built into it.
var neededArgs = map[string][]string{
	"obfs4":     {"cert"},
	"meek_lite": {"url"},
	"snowflake": {"url", "ice"},
	"webtunnel": {"url"},
}

const bridgeHint = `write the line as you got it, like "obfs4 203.0.113.20:9443 FINGERPRINT cert=... iat-mode=0"`

var (
	fingerprintPattern = regexp.MustCompile(`^[0-9A-Fa-f]{40}$`)
	bridgeArgPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]+=[^"#\\]+$`)
)

func readBridges(t *table) []Bridge {
	var bridges []Bridge
	t.texts("bridges", func(path, line string) {
		b, p := parseBridge(line)
		same := func(o Bridge) bool { return o.Line() == b.Line() }
		switch {
		case p != nil:
			t.doc.add(path, p)
		case slices.ContainsFunc(bridges, same):
			t.doc.add(path, problemf("remove one of them", "the same bridge is there twice"))
		default:
			bridges = append(bridges, b)
		}
	})
	return bridges
}

// parseBridge reads a line as bridges.torproject.org gives it. What it says
// about a wrong one does not repeat more of it than the word that is wrong.
func parseBridge(line string) (Bridge, *problem) {
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
		return Bridge{}, problemf(bridgeHint, "a bridge line holds printable ASCII only")
	}
	words := strings.Fields(line)
	if len(words) > 0 && strings.EqualFold(words[0], "bridge") {
		words = words[1:]
	}
	var b Bridge
	if len(words) > 0 && !strings.Contains(words[0], ":") {
		b.Transport, words = words[0], words[1:]
		if !slices.Contains(Transports(), b.Transport) {
			return b, problemf(didYouMean(b.Transport, Transports()), "%q is none of the transports %s",
				b.Transport, strings.Join(Transports(), ", "))
		}
	}
	if len(words) < 2 {
		return b, problemf(bridgeHint, "a bridge needs an address with a port, and a fingerprint")
	}
	addr, err := netip.ParseAddrPort(words[0])
	if err != nil || addr.Port() == 0 || addr.Addr().Zone() != "" || !isHost(addr.Addr()) {
		return b, problemf(bridgeHint, "%q is not the address and port of a bridge", words[0])
	}
	b.Addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if b.Transport == "meek_lite" && strings.Contains(words[1], "=") {
		b.Args = words[1:] // TLS to the front is what protects it, and its lines are handed out so
		return b, b.checkArgs()
	}
	if !fingerprintPattern.MatchString(words[1]) {
		return b, problemf("without one, anybody on the way could pose as the bridge", "the fingerprint must have 40 hexadecimal digits")
	}
	b.Fingerprint, b.Args = strings.ToUpper(words[1]), words[2:]
	return b, b.checkArgs()
}

func (b Bridge) checkArgs() *problem {
	keys := make(map[string]bool)
	for _, arg := range b.Args {
		key, _, _ := strings.Cut(arg, "=")
		switch {
		case b.Transport == "":
			return problemf(bridgeHint, "a bridge without a transport takes nothing after its fingerprint")
		case !bridgeArgPattern.MatchString(arg):
			return problemf(bridgeHint, "%q must be like key=value, without quotes, # and backslashes", key)
		case keys[key]:
			return problemf("remove one of them", "%s= is there twice", key)
		case b.Transport == "obfs4" && key == "cert" && !isObfs4Cert(arg[len("cert="):]):
			return problemf(bridgeHint, "cert= is not whole: an obfs4 bridge has 70 letters and digits there")
		}
		keys[key] = true
	}
	for _, key := range neededArgs[b.Transport] {
		if !keys[key] && !(b.Transport == "meek_lite" && keys["targets"]) {
			return problemf(bridgeHint, "%s= is missing: %s cannot work without it", key, b.Transport)
		}
	}
	return nil
}

// isObfs4Cert reports whether a text is a node's ID and its public key, 52 bytes
// in base64 without its padding (obfs4-spec, and obfs4proxy's statefile.go).
func isObfs4Cert(text string) bool {
	raw, err := base64.RawStdEncoding.DecodeString(text)
	return err == nil && len(raw) == 20+32
}

// UsesTransport reports whether a bridge with that transport is configured.
func (t Tor) UsesTransport(name string) bool {
	return slices.ContainsFunc(t.Bridges, func(b Bridge) bool { return b.Transport == name })
}

// TransportsUsed returns the transports of the bridges, in the order of Transports.
func (t Tor) TransportsUsed() []string {
	return slices.DeleteFunc(Transports(), func(name string) bool { return !t.UsesTransport(name) })
}

// BridgeHosts returns how many bridges are reached by a name, which the
// transport's program asks a DNS server for.
func (t Tor) BridgeHosts() int {
	n := 0
	for _, b := range t.Bridges {
		if b.Host() != "" {
			n++
		}
	}
	return n
}
