package tor

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Render returns the text of the torrc for s: what the owner may change, the
// owner's lines, then tunic's own, which therefore win. It is a pure function,
// and s is one that passed Check; v is the version of the tor that reads it.
//
// The process that tor belongs to is not in it: see owned. A tor that lacks a module
// gets what render makes of s.
func Render(s Spec, v Version) string {
	var b strings.Builder
	line := func(words ...string) { b.WriteString(strings.Join(words, " ") + "\n") }

	line("# Written by tunic. Changes here are lost; put your own lines into torrc.d.")
	line("AvoidDiskWrites 1")
	for _, snippet := range s.Snippets {
		line()
		line("# torrc.d/" + strings.Map(oneLine, snippet.File))
		line(strings.TrimRight(snippet.Text, "\n"))
	}

	// The empty line ends a value that a last backslash would continue.
	line()
	line("# tunic's own")
	line("DataDirectory", s.DataDir)
	line("ControlSocket", s.controlSocket())
	line("CookieAuthentication 1")
	line("CookieAuthFile", s.cookie())
	line("Log notice stdout")
	line("SafeLogging 1")
	line("ClientOnly 1")
	// A dormant tor waits for a question, and a closed household asks none: after
	// a quiet day, or a clock that was set forward, it would stay closed.
	line("DormantTimeoutEnabled 0")
	line("DormantCanceledByStartup 1")
	for _, l := range s.listeners() {
		for _, addr := range l.addrs {
			words := append([]string{l.option, addr}, l.flags...)
			if strings.HasPrefix(addr, unixPrefix) {
				words = append(words, "WorldWritable") // its directory says who may pass
			}
			line(words...)
		}
	}
	lines := slices.Concat(s.virtualLines(), s.Exits.lines(), s.bridgeLines(), s.authLines(), s.mapLines())
	if s.SingleHop {
		lines = singleHopLines
	}
	for _, l := range lines {
		line(l)
	}
	for _, o := range s.Onions {
		if o.Clients != nil && len(o.Clients) == 0 {
			continue
		}
		line()
		line("HiddenServiceDir", o.Dir)
		line("HiddenServiceVersion 3")
		line("HiddenServiceExportCircuitID haproxy")
		if !v.Less(unknownPorts) {
			// A try of a port that is not there, as browsers do with HTTPS, is
			// refused, and does not close the visitor's circuit. Before that
			// version the option's absence says so.
			line("HiddenServiceAllowUnknownPorts 1")
		}
		if o.MaxStreams > 0 {
			line("HiddenServiceMaxStreams", strconv.Itoa(o.MaxStreams))
			line("HiddenServiceMaxStreamsCloseCircuit 1")
		}
		for _, l := range o.balanceLines() {
			line(l)
		}
		// No HiddenServicePoWDefensesEnabled: decision 31.
		for _, port := range o.Ports {
			line("HiddenServicePort", strconv.Itoa(int(port)), "unix:"+o.Socket)
		}
	}
	return b.String()
}

// owned is a torrc for a tor of this process: tor looks every 15 s whether that is
// there, and ends if not. It is not on its command line, where no other daemon could
// take its place.
func owned(text string) string { return text + "\n" + ownerLine() + "\n" }

func ownerLine() string { return ownerOption + " " + strconv.Itoa(os.Getpid()) }

// ownerAssignment is the same for SETCONF (control-spec, "SETCONF").
func ownerAssignment() string { return ownerOption + "=" + strconv.Itoa(os.Getpid()) }

const ownerOption = "__OwningControllerProcess"

// virtualLines have tor give each .onion name that a device asks for an address.
func (s Spec) virtualLines() []string {
	return []string{
		"AutomapHostsOnResolve 1",
		"AutomapHostsSuffixes .onion",
		"VirtualAddrNetworkIPv4 " + s.Virtual4.String(),
		fmt.Sprintf("VirtualAddrNetworkIPv6 [%s]/%d", s.Virtual6.Addr(), s.Virtual6.Bits()),
	}
}

// listener is one of tor's ports: where it listens and how it is spelled in
// the torrc and in GETINFO net/listeners/KIND.
type listener struct {
	option, kind string
	addrs        []string
	flags        []string
}

// unixPrefix is how tor writes the address of a unix socket.
const unixPrefix = "unix:"

// listeners are fixed for tor's life: changing one by LOADCONF can fail half
// way and close others. None depends on an interface's address.
func (s Spec) listeners() []listener {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	lo4, lo6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	at := func(port uint16, addrs ...netip.Addr) (texts []string) {
		for _, a := range addrs {
			if !s.SingleHop && (a.Is4() || !s.NoIPv6) {
				texts = append(texts, netip.AddrPortFrom(a, port).String())
			}
		}
		return texts
	}
	socks := at(s.SocksPort, lo4)
	if !s.SingleHop {
		socks = append(socks, unixPrefix+s.Socks)
	}
	var isolate []string
	if s.IsolateDestinations {
		isolate = []string{"IsolateDestAddr"}
	}
	return []listener{
		{option: "TransPort", kind: "trans", addrs: at(s.TransPort, any4, any6), flags: isolate},
		{option: "SocksPort", kind: "socks", addrs: socks,
			flags: append([]string{"IsolateSOCKSAuth", "ExtendedErrors"}, isolate...)},
		{option: "DNSPort", kind: "dns", addrs: at(s.DNSPort, lo4, lo6)},
	}
}

// oneLine keeps a file's name from ending the comment that it stands in.
func oneLine(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}
