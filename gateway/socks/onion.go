package socks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/things-go/go-socks5/statute"
)

// DialOnion connects to an onion, "KEY.onion", on behalf of the box itself. It
// shares circuits with what the box dials under the same isolation, and with
// no device's connections. The connection has no deadline. Reason says in
// words what an error of it means.
func (s *Server) DialOnion(ctx context.Context, isolation, host string, port uint16) (*net.UnixConn, error) {
	if !strings.HasSuffix(host, ".onion") {
		return nil, errors.New("connecting through tor: this is no onion's name")
	}
	return s.DialHost(ctx, isolation, host, port)
}

// DialHost is DialOnion for any host name. An exit looks it up.
func (s *Server) DialHost(ctx context.Context, isolation, host string, port uint16) (*net.UnixConn, error) {
	if !dialable(host) {
		return nil, errNoName
	}
	return s.dialAs(ctx, s.credentials("box", isolation), destination{host: host, port: port})
}

// Resolve asks an exit for an address of a name (socks-extensions, section 2), on
// the circuits of DialHost under the same isolation.
func (s *Server) Resolve(ctx context.Context, isolation, host string) (netip.Addr, error) {
	if !dialable(host) {
		return netip.Addr{}, errNoName
	}
	c, found, err := s.ask(ctx, s.credentials("box", isolation), commandResolve, destination{host: host})
	if err != nil {
		return netip.Addr{}, err
	}
	c.Close()
	a, ok := netip.AddrFromSlice(found[1 : len(found)-2])
	if found[0] == statute.ATYPDomain || !ok {
		return netip.Addr{}, errors.New("resolving through tor: the answer is no address")
	}
	return a.Unmap(), nil
}

// Circuit is the SOCKS_PASSWORD by which tor's circuit-status names the circuits of
// an isolation.
func (s *Server) Circuit(isolation string) string { return s.credentials("box", isolation).password }

// Refusal tells two failures of DialHost apart from all others: the port takes no
// connection (RFC 1928, section 6: 5; and 1, since exits of tor 0.4.9 name a connection
// that was refused to them MISC more often than not), and nobody gets there (4, 6, and
// those of onions).
func Refusal(err error) (refused, unreached bool) {
	var reply replyError
	errors.As(err, &reply)
	code := byte(reply)
	return code == statute.RepConnectionRefused || code == statute.RepServerFailure,
		code == statute.RepHostUnreachable || code == statute.RepTTLExpired || code >= 0xF0 || isTimeout(err)
}

// DialAddr is DialHost for an address.
func (s *Server) DialAddr(ctx context.Context, isolation string, to netip.AddrPort) (*net.UnixConn, error) {
	return s.dialAs(ctx, s.credentials("box", isolation), destination{addr: to.Addr(), port: to.Port()})
}

var errNoName = errors.New("connecting through tor: this is no host name")

// dialable reports whether tor can be asked for a name.
func dialable(host string) bool { return printable(host) && host != "" && len(host) <= 255 }

// Reasons are tor's extended replies about onions (proposal 304; tor(1),
// ExtendedErrors) for people.
var reasons = map[replyError]string{
	0xF0: "no directory has its descriptor",
	0xF1: "its descriptor is not valid",
	0xF2: "none of its introduction points let us in",
	0xF3: "the meeting at a rendezvous point failed",
	0xF4: "it is private, and we have no key for it",
	0xF5: "it is private, and our key is not among those it lets in",
	0xF6: "the address is wrong",
	0xF7: "its introduction points did not answer in time",
	0x01: "tor failed",
	0x02: "no exit lets this port through",
	0x04: "tor could not reach it",
	0x05: "it refused the connection",
	0x06: "tor gave it up: it took too long",
}

// Reason says in words why DialOnion failed, as far as tor knows.
func Reason(err error) string {
	var reply replyError
	switch {
	case errors.As(err, &reply):
		if words, ok := reasons[reply]; ok {
			return words
		}
		return fmt.Sprintf("tor replied %#02x", byte(reply))
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "it took too long"
	case errors.Is(err, context.Canceled):
		return "it was called off"
	}
	return "tor is not there"
}
