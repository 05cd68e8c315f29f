package tor

import (
	"fmt"
	"slices"
	"strings"
)

// ownOptions are tunic's: lines of the owner that set one of them are refused,
// as are options that begin with one of ownPrefixes. Each of them would open a
// listener that the rules do not know, move or lock something that tunic
// relies on, make a relay of this tor, or put destinations into a log.
var (
	ownOptions = []string{
		"AuthoritativeDirectory", "AutomapHostsOnResolve", "AutomapHostsSuffixes", "BridgeAuthoritativeDir",
		"BridgeRelay", "CacheDirectory", "CacheDirectoryGroupReadable", "ClientOnly", "ControlPort",
		"ControlPortFileGroupReadable", "ControlPortWriteToFile", "ControlSocket", "ControlSocketsGroupWritable",
		"CookieAuthentication", "CookieAuthFile", "CookieAuthFileGroupReadable", "DataDirectory",
		"DataDirectoryGroupReadable", "DirPort", "DisableNetwork", "DNSPort", "DormantCanceledByStartup", "DormantTimeoutEnabled",
		"ExitRelay", "ExtORPort", "FamilyKeyDirectory", "HashedControlPassword", "HTTPTunnelPort", "KeyDirectory",
		"KeyDirectoryGroupReadable",
		"Log", "MetricsPort", "MetricsPortPolicy", "NATDPort", "ORPort", "PidFile", "RunAsDaemon", "SafeLogging",
		"ServerTransportListenAddr", "ServerTransportOptions", "ServerTransportPlugin", "SocksPort",
		"TransPort", "TransProxyType", "UnixSocksGroupWritable", "User", "V3AuthoritativeDirectory",
		"VirtualAddrNetworkIPv4", "VirtualAddrNetworkIPv6",
	}
	ownPrefixes = []string{"__", "hiddenservice"}

	// wholeNames are the owner's although an own option begins with them:
	// tor takes a whole name for itself.
	wholeNames = []string{"Bridge"}
)

// SnippetError is one line of the owner's that cannot be used.
type SnippetError struct {
	File   string // as CheckSnippet got it
	Line   int    // from 1
	Reason string // what is wrong, and what to do
}

func (e *SnippetError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// CheckSnippet returns everything in an owner's piece of torrc that tunic does
// not allow, each as a *SnippetError. It does not ask whether tor understands
// the rest; tor does that itself before anything is changed.
//
// tor reads option names in any case, takes unique and other beginnings for
// the whole name, and a + or / before them; a check that did not know would
// be no check. Lines that continue another are checked like all, which can
// only refuse too much: a value that begins with an option's name.
func CheckSnippet(file, text string) []error {
	var errs []error
	refuse := func(line int, reason string) {
		errs = append(errs, &SnippetError{File: file, Line: line, Reason: reason})
	}
	lines := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	for i, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return (r < ' ' && r != '\t' && r != '\r') || r == 0x7f }) {
			refuse(i+1, "control characters do not belong into a torrc: remove them")
			continue
		}
		if reason := refusal(optionName(line)); reason != "" {
			refuse(i+1, reason)
		}
	}
	if last := lines[len(lines)-1]; strings.HasSuffix(strings.TrimRight(last, "\r"), `\`) {
		refuse(len(lines), "the last line ends in a backslash and would continue in another file: remove it")
	}
	return errs
}

// optionName returns the option that a line of a torrc sets, as it is spelled
// there, or "" for a comment or an empty line.
func optionName(line string) string {
	line = strings.TrimSpace(line)
	if end := strings.IndexAny(line, " \t\v\f\r#\\"); end >= 0 {
		line = line[:end]
	}
	return strings.TrimLeft(line, "+/")
}

func refusal(name string) string {
	if name == "" {
		return ""
	}
	lower := strings.ToLower(name)
	if slices.ContainsFunc(wholeNames, func(whole string) bool { return strings.EqualFold(whole, name) }) {
		return ""
	}
	if strings.HasPrefix(lower, "%") {
		return name + " reads files that tunic cannot check: put their lines here"
	}
	for _, prefix := range ownPrefixes {
		if strings.HasPrefix(lower, prefix) {
			return name + " is set by tunic itself: remove the line"
		}
		if strings.HasPrefix(prefix, lower) {
			return fmt.Sprintf("tor may take %s for options that tunic sets itself: write the whole name", name)
		}
	}
	for _, own := range ownOptions {
		switch {
		case strings.EqualFold(own, name):
			return own + " is set by tunic itself: remove the line"
		case strings.HasPrefix(strings.ToLower(own), lower):
			return fmt.Sprintf("tor may take %s for %s, which tunic sets itself: write the whole name", name, own)
		}
	}
	return ""
}
