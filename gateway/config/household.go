package config

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// maxInterfaceName is the kernel's IFNAMSIZ without the final zero byte.
const maxInterfaceName = 15

// defaultSocksPort is Tor's own, which programs offer when they are told to use Tor.
const defaultSocksPort uint16 = 9050

const interfacesHint = `name the household's interfaces, like interfaces = ["br-lan"] ("ip link" lists them)`

func readHousehold(t *table, h *Household) {
	h.DefaultPolicy = readPolicy(t, "default-policy", PolicyTor)
	h.OneArm, _ = t.boolean("one-arm")
	n, ok := t.texts("interfaces", func(path, name string) {
		h.Interfaces = addOnce(t, path, h.Interfaces, name, checkInterface(name))
	})
	if ok && n == 0 {
		t.add("interfaces", problemf(interfacesHint, "is empty: tunic would be in charge of nothing"))
	}
	if !t.has("interfaces") {
		t.missing("interfaces", interfacesHint)
	}
	t.finish()
}

// checkInterface takes less than the kernel does: the name also goes into
// rules, where some characters mean something.
func checkInterface(name string) *problem {
	other := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
	switch {
	case name == "":
		return problemf(interfacesHint, "is empty")
	case name == "lo":
		return problemf(interfacesHint, "lo is the box itself, not the household")
	case strings.ContainsAny(name, "*?+"):
		return problemf("write each name in full",
			"%q looks like a wildcard: an interface that appears later would be taken over unasked", name)
	case strings.Contains(name, "@"):
		return problemf(fmt.Sprintf("write %q", name[:strings.Index(name, "@")]),
			"%q: what follows the @ is the parent, not a part of the name", name)
	case len(name) > maxInterfaceName:
		return problemf("", "%q is longer than the %d bytes that Linux allows", name, maxInterfaceName)
	case other != "", strings.HasPrefix(name, "-"), strings.Trim(name, ".") == "":
		return problemf(interfacesHint, "%q is not the name of an interface", name)
	}
	return nil
}

// readPolicy returns the policy under key, or byDefault without one.
func readPolicy(t *table, key string, byDefault Policy) Policy {
	return readWord(t, key, byDefault, PolicyTor, PolicyOnion, PolicyDirect, PolicyBlock)
}

// readWord returns the value under key, which must be one of words.
func readWord[T ~string](t *table, key string, byDefault T, words ...T) T {
	value, ok := t.text(key)
	if !ok {
		return byDefault
	}
	if !slices.Contains(words, T(value)) {
		known := make([]string, len(words))
		for i, w := range words {
			known[i] = string(w)
		}
		t.add(key, problemf(didYouMean(value, known), "%q is none of %s", value, strings.Join(known, ", ")))
	}
	return T(value)
}

func readGateway(t *table, g *Gateway, household []string) {
	g.OwnTraffic = readWord(t, "own-traffic", OwnTor, OwnTor, OwnDirect)
	g.Metrics = readWord(t, "metrics", MetricsOff, MetricsOff, MetricsLoopback, MetricsHousehold)
	g.Page = true
	if page, ok := t.boolean("page"); ok {
		g.Page = page
	}
	readNTP(t, g)
	readExceptions(t, g)
	readNamed(t, g, household)
	t.finish()
}

func readTor(t *table, tor *Tor) {
	tor.Binary = "tor"
	if binary, ok := t.text("binary"); ok {
		tor.Binary = binary
		switch {
		case binary == "":
			t.add("binary", problemf("", "is empty"))
		case strings.Contains(binary, "/") && !filepath.IsAbs(binary):
			t.add("binary", problemf(`write a name that is found on PATH, like "tor", or a path from /`,
				"%q depends on the directory that tunic is started in", binary))
		}
	}
	tor.Bridges = readBridges(t)
	tor.Exits = readCountries(t)
	tor.ByDest, _ = t.boolean("isolate-destinations")
	tor.OverTor = readWord(t, "over-tor", OverTorRefuse, OverTorRefuse, OverTorPass)
	t.finish()
}

func readSocks(t *table, s *Socks) {
	s.Port = defaultSocksPort
	if n, ok := t.integer("port"); ok {
		switch {
		case n < 1 || n > math.MaxUint16:
			t.add("port", problemf("", "%d is no port: 1 to 65535", n))
		case slices.Contains(takenPorts(), uint16(n)):
			t.add("port", problemf("the usual one is 9050", "tunic needs port %d for something else", n))
		default:
			s.Port = uint16(n)
		}
	}
	t.finish()
}

// takenPorts are those that devices reach on the box beside the SOCKS port,
// and those that tunic's processes listen on.
func takenPorts() []uint16 {
	return append(internalPorts(), 53, 70, 587, IMAPSPort, MetricsPort, PagePort, PageTLSPort)
}

func internalPorts() []uint16 {
	return []uint16{TransPort, SocksPort, DNSPort, ServeSocksPort, ServeDNSPort, ServeOwnDNSPort, ServeClosedDNSPort,
		ServeGopherPort, ServeMetricsPort,
		ServeNTPPort, ServeOwnTimePort, ServeSubmissionPort, ServeSetupPort, ServePagePort, ServePageTLSPort, ServeSharesPort,
		ServeServicesPort,
		ServeIMAPPort, DovecotPort, ServeXMPPPort, ServeFilesPort, ServeIRCPort, ServeIRCTLSPort, ProsodyClientPort,
		ProsodyServerPort, ProsodyFilesPort, NgircdPort, ServeI2PPort, FrontI2PPort, I2PDPort}
}
