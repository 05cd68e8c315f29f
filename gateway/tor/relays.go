package tor

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// relaySet holds the addresses on which public relays take connections.
type relaySet map[netip.AddrPort]struct{}

// parseRelays reads router status entries as GETINFO ns/all gives them
// (control-spec, "GETINFO"; dir-spec, "Router status entry"): of each entry the
// line "r NICKNAME IDENTITY [DIGEST] DATE TIME IP ORPORT DIRPORT" and its lines
// "a ADDRESS:PORT". What it cannot read it leaves out.
func parseRelays(text string) relaySet {
	relays := make(relaySet)
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "r "):
			fields := strings.Fields(line)
			if len(fields) < 8 {
				continue
			}
			addr, err := netip.ParseAddr(fields[len(fields)-3])
			port, portErr := strconv.ParseUint(fields[len(fields)-2], 10, 16)
			if err == nil && portErr == nil && port > 0 {
				relays.add(netip.AddrPortFrom(addr, uint16(port)))
			}
		case strings.HasPrefix(line, "a "):
			if at, err := netip.ParseAddrPort(strings.TrimSpace(line[2:])); err == nil {
				relays.add(at)
			}
		}
	}
	return relays
}

func (r relaySet) add(at netip.AddrPort) { r[plainAddr(at)] = struct{}{} }

func (r relaySet) has(at netip.AddrPort) bool {
	_, known := r[plainAddr(at)]
	return known
}

// plainAddr makes one address of an IPv4 address and its IPv6-mapped form.
func plainAddr(at netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

const (
	relaysRetry = 5 * time.Second  // while tor has no consensus yet
	relaysEvery = 10 * time.Minute // a new consensus comes each hour
)

// learnRelays keeps the set that learned gets at the last consensus, until ctx
// ends. It asks for the long list only when the consensus is another one.
func (s *session) learnRelays(ctx context.Context, log *slog.Logger, learned func(relaySet)) {
	last, pause := "", relaysRetry
	for {
		next, relays, err := s.relays(last)
		switch {
		case err != nil:
			log.Debug("asking tor for its relays failed", "error", err)
		case relays != nil:
			learned(relays)
			last, pause = next, relaysEvery
			log.Debug("relays learned", "addresses", len(relays))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// relays returns the relays of the consensus and its date, or nil if it is the
// one of the date last.
func (s *session) relays(last string) (date string, relays relaySet, err error) {
	if date, err = s.commands.getInfo("consensus/valid-after"); err != nil || date == last {
		return date, nil, err
	}
	text, err := s.commands.getInfo("ns/all")
	if err != nil {
		return date, nil, err
	}
	return date, parseRelays(text), nil
}
