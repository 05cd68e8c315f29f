package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	unixPrefix     = "unix:"
	endpointPrefix = "endpoint:"

	// maxUnixPath is sizeof(sockaddr_un.sun_path) without the final zero byte.
	maxUnixPath = 107
)

const targetHint = `a target is "ADDRESS:PORT", "[IPv6]:PORT", "NAME:PORT", "unix:/PATH" or "endpoint:NAME"`

// String is the form that the files use: "192.168.77.20:8080",
// "[fd77::20]:8080", "nas:8080", "unix:/path", "endpoint:gopher".
func (t Target) String() string {
	switch {
	case t.Endpoint != "":
		return endpointPrefix + t.Endpoint
	case t.Unix != "":
		return unixPrefix + t.Unix
	case t.Host != "":
		return t.Host + ":" + strconv.Itoa(int(t.Port))
	default:
		return t.Addr.String()
	}
}

// ParsePortTarget reads "PORT=TARGET", the form of the command line:
// "80=192.168.77.20:8080". The error is an Error. Whether the box may offer
// the target is for Load to say, which knows the rest.
func ParsePortTarget(text string) (Port, error) {
	virtual, target, ok := strings.Cut(text, "=")
	if !ok {
		return Port{}, Error{Key: text, Msg: "no = in it", Hint: "write PORT=TARGET, like 80=192.168.77.20:8080"}
	}
	port, p := parsePort(virtual)
	if p != nil {
		return Port{}, Error{Key: text, Msg: p.msg, Hint: p.hint}
	}
	t, p := parseTarget(target)
	if p != nil {
		return Port{}, Error{Key: text, Msg: p.msg, Hint: p.hint}
	}
	return Port{Virtual: port, Target: t}, nil
}

// parsePort takes only the one way to write a port, so that none is there twice.
func parsePort(text string) (uint16, *problem) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, problemf("", "%q is no port: 1 to 65535", text)
	}
	return uint16(n), nil
}

func parseTarget(text string) (Target, *problem) {
	if path, ok := strings.CutPrefix(text, unixPrefix); ok {
		return Target{Unix: path}, checkUnix(path)
	}
	if name, ok := strings.CutPrefix(text, endpointPrefix); ok {
		return Target{Endpoint: name}, checkName(name)
	}
	if host, port, ok := cutName(text); ok {
		return parseTargetName(host, port)
	}
	addr, p := parseTargetAddr(text)
	return Target{Addr: addr}, p
}

// checkUnix refuses paths that could be read in two ways.
func checkUnix(path string) *problem {
	switch {
	case !filepath.IsAbs(path):
		return problemf("write unix:/the/whole/path", "the path %q does not begin with /", path)
	case filepath.Clean(path) != path:
		return problemf("write "+unixPrefix+filepath.Clean(path), "the path %q is not in its shortest form", path)
	case len(path) > maxUnixPath:
		return problemf("", "the path is longer than the %d bytes that a socket can have", maxUnixPath)
	case !utf8.ValidString(path), strings.ContainsFunc(path, unicode.IsControl):
		return problemf("", "the path has characters in it that no file should have")
	}
	return nil
}

func parseTargetAddr(text string) (netip.AddrPort, *problem) {
	var none netip.AddrPort
	if strings.Contains(text, "://") {
		return none, problemf(targetHint, "%q is a URL", text)
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return none, explainTarget(text)
	}
	ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	switch addr := ap.Addr(); {
	case ap.Port() == 0:
		return none, problemf("", "0 is no port: 1 to 65535")
	case !isHost(addr):
		return none, problemf("give the address of one host", "%s is not the address of one host", addr)
	case addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == "":
		return none, problemf(fmt.Sprintf("write [%s%%br-lan]:%d with the interface's name", addr, ap.Port()),
			"%s is there on every interface", addr)
	case addr.Zone() != "":
		if p := checkInterface(addr.Zone()); p != nil {
			return none, p
		}
	}
	return ap, nil
}

// explainTarget says why text is not ADDRESS:PORT.
func explainTarget(text string) *problem {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
			return problemf(fmt.Sprintf("write %q", net.JoinHostPort(addr.String(), "80")), "%q has no port", text)
		}
		if _, p := parsePort(text); p == nil {
			return problemf(fmt.Sprintf("write %q if it is on the box", "127.0.0.1:"+text), "%q is a port without an address", text)
		}
		return problemf(targetHint, "%q is not a target", text)
	}
	if _, p := parsePort(port); p != nil {
		return p
	}
	if host == "" {
		return problemf(fmt.Sprintf("write %q if it is on the box", "127.0.0.1:"+port), "%q has no address", text)
	}
	return problemf(targetHint, "%q is neither an IP address nor the name of a host", host)
}
