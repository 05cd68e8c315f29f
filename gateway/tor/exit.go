package tor

import (
	"strconv"
	"strings"
)

// Exit is the relay by which a circuit leaves the network.
type Exit struct {
	Nickname, Fingerprint string
	Address               string // that it is reached by, which need not be the one that sites see
	Country               string // ISO 3166, lower case; "" where tor has no database
}

// ExitOf finds the exit of the newest circuit that streams with a SOCKS password have
// used (control-spec, "GETINFO", circuit-status, ns/id, ip-to-country). Circuits to
// onions have none.
func (t *Tor) ExitOf(password string) (e Exit, ok bool) {
	s := t.running()
	if s == nil || password == "" {
		return e, false
	}
	lines, err := s.commands.getInfoLines("circuit-status")
	if err != nil {
		return e, false
	}
	if e.Fingerprint, e.Nickname, ok = exitIn(lines, password); !ok {
		return e, false
	}
	if entry, err := s.commands.getInfo("ns/id/" + e.Fingerprint); err == nil {
		e.Address = relayAddress(entry)
	}
	if e.Address != "" {
		country, err := s.commands.getInfo("ip-to-country/" + e.Address)
		if err == nil && len(country) == 2 && country != "??" {
			e.Country = strings.ToLower(country)
		}
	}
	return e, true
}

// exitIn looks at lines "ID STATUS $FINGERPRINT~NICKNAME,... KEY=VALUE...", in
// any order: the highest number is the newest.
func exitIn(lines []string, password string) (fingerprint, nickname string, ok bool) {
	newest := 0
	for _, line := range lines {
		words, err := splitWords(line)
		if err != nil || len(words) < 4 {
			continue
		}
		args := keywords(words)
		id, _ := strconv.Atoi(words[0]) // 0 is none
		if args["SOCKS_PASSWORD"] != password || strings.HasPrefix(args["PURPOSE"], "HS_") || id < newest {
			continue
		}
		last := words[2][strings.LastIndexByte(words[2], ',')+1:]
		if print, cut := strings.CutPrefix(last, "$"); cut {
			newest, ok = id, true
			fingerprint, nickname, _ = strings.Cut(strings.Replace(print, "=", "~", 1), "~")
		}
	}
	return fingerprint, plain(nickname), ok
}

// relayAddress is the address in a router status entry (see parseRelays).
func relayAddress(entry string) string {
	for line := range strings.Lines(entry) {
		if fields := strings.Fields(line); len(fields) >= 8 && fields[0] == "r" {
			return fields[len(fields)-3]
		}
	}
	return ""
}
