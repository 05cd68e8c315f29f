package tor

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Bridge is one way into the network that no public list names.
type Bridge struct {
	Transport string // "obfs4"; "" for none
	Line      string // as tor reads it, without the word Bridge; a secret
}

// Plugin is the program of one pluggable transport, which tor starts
// (pt-spec, "Managed Proxy Interface").
type Plugin struct {
	Transport string
	Path      string // absolute
}

// program is one that speaks a transport, and the Debian package that has it.
type program struct{ name, from string }

// Where programs are from that are not in Debian itself.
const (
	lyrebird  = "lyrebird (from deb.torproject.org)"
	webtunnel = "webtunnel-client (which no distribution has)"
)

// transports are those that we know a program for, the better program first.
// lyrebird and obfs4proxy are one program, by two names.
var transports = map[string][]program{
	"obfs4":     {{"lyrebird", lyrebird}, {"obfs4proxy", "obfs4proxy"}},
	"meek_lite": {{"lyrebird", lyrebird}, {"obfs4proxy", "obfs4proxy"}},
	"snowflake": {{"snowflake-client", "snowflake-client"}},
	"webtunnel": {{"lyrebird", lyrebird}, {"webtunnel-client", webtunnel}}, // lyrebird since 0.2.0
}

// MissingTransportError is the error for a transport whose program is not there.
type MissingTransportError struct{ Transport string }

func (e *MissingTransportError) Error() string {
	var names, packages []string
	for _, p := range transports[e.Transport] {
		names, packages = append(names, p.name), append(packages, p.from)
	}
	if len(names) == 0 {
		return fmt.Sprintf("no program is known for the transport %s of a bridge", e.Transport)
	}
	return fmt.Sprintf("the bridges' transport %s needs the program %s, which is not on PATH: install the package %s",
		e.Transport, strings.Join(names, " or "), strings.Join(packages, " or "))
}

// FindTransport looks for the program of a transport on PATH. The error is a
// *MissingTransportError.
func FindTransport(name string) (Plugin, error) {
	for _, p := range transports[name] {
		path, err := exec.LookPath(p.name)
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err == nil {
			return Plugin{Transport: name, Path: path}, nil
		}
	}
	return Plugin{}, &MissingTransportError{Transport: name}
}

// bridgeLines are the part of the torrc that makes bridges the only way. tor
// with UseBridges 1 has no other: not for the directory, not when all of the
// bridges are down (tor(1), UseBridges).
func (s Spec) bridgeLines() []string {
	if len(s.Bridges) == 0 {
		return nil
	}
	lines := []string{"UseBridges 1", "UpdateBridgesFromAuthority 0"}
	for _, p := range s.programs() {
		lines = append(lines, "ClientTransportPlugin "+strings.Join(p.transports, ",")+" exec "+p.path)
	}
	for _, b := range s.Bridges {
		lines = append(lines, "Bridge "+b.Line)
	}
	return lines
}

type plugged struct {
	path       string
	transports []string
}

// programs groups the plugins by their programs: each runs once.
func (s Spec) programs() []plugged {
	var list []plugged
	for _, p := range s.Plugins {
		i := slices.IndexFunc(list, func(o plugged) bool { return o.path == p.Path })
		if i < 0 {
			list = append(list, plugged{path: p.Path})
			i = len(list) - 1
		}
		list[i].transports = append(list[i].transports, p.Transport)
	}
	return list
}

// checkBridges makes sure that tor can reach every bridge, since it must not
// reach anything else.
func (s Spec) checkBridges() []error {
	var errs []error
	for _, b := range s.Bridges {
		plugged := slices.ContainsFunc(s.Plugins, func(p Plugin) bool { return p.Transport == b.Transport })
		if b.Transport != "" && !plugged {
			errs = append(errs, &MissingTransportError{Transport: b.Transport})
		}
		if b.Line == "" || strings.ContainsFunc(b.Line, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"#\`, r) }) {
			errs = append(errs, fmt.Errorf("checking the bridges: a line cannot be written into a torrc"))
		}
	}
	for _, p := range s.Plugins {
		errs = append(errs, checkPath(p.Path))
	}
	return errs
}

// bridgeOptions are tunic's once bridges are in its own configuration.
var bridgeOptions = []string{"Bridge", "ClientTransportPlugin", "UpdateBridgesFromAuthority", "UseBridges"}

// CheckBridgeSnippet returns the lines of an owner's piece of torrc that would
// mix with the bridges of tunic's configuration, each as a *SnippetError.
func CheckBridgeSnippet(file, text string) []error {
	var errs []error
	for i, line := range strings.Split(text, "\n") {
		name := strings.ToLower(optionName(line))
		for _, own := range bridgeOptions {
			if name != "" && strings.HasPrefix(strings.ToLower(own), name) {
				errs = append(errs, &SnippetError{File: file, Line: i + 1,
					Reason: own + " is set by tunic itself, because [tor] bridges is: put all bridges there"})
				break
			}
		}
	}
	return errs
}
