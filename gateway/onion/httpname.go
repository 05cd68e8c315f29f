package onion

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// houseZone is where houses with a box have names for onions (RFC 8375), ownZone
// where the house has them that an onion is of.
const (
	houseZone = ".peer.home.arpa"
	ownZone   = ".box.home.arpa"
	i2pZone   = ".b32.i2p" // and where an address is by I2P, the hash of its keys
)

// errMisdirected is the request of a visitor, the first on a connection, for a
// host that this service is not; errMoved is a later one.
var (
	errMisdirected = errors.New("the visitor asked for a host that is no name of this service")
	errMoved       = errors.New("the visitor asked for another host on the same connection, which is no name of this service")
)

// misdirected answers such a request (RFC 9110, section 15.5.20). The reader may
// be the page that had its own name lead here: it gets no name and no address.
const misdirected = "HTTP/1.1 421 Misdirected Request\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n" +
	"This service does not have the name by which it was asked.\r\n" +
	"Open it by its onion address, or by the name below peer.home.arpa that your own house has for it.\r\n"

// known reports whether a Host is a name by which visitors can mean this service
// and nobody outside can mean another: an address of the onion and what is below
// it; what its own or a friend's house calls it, which only that house knows and answers for;
// the name that the service itself has; and what no DNS leads anywhere else, which
// is an address in figures, and localhost for who passes a port on (RFC 6761). Any
// other name belongs to whom its DNS server says, and so does the page that has it.
func (t *talk) known(asked string) bool {
	host, own := hostOf(asked), hostOf(t.Host)
	if _, err := netip.ParseAddr(host); err == nil || host == own || host == "localhost" {
		return true
	}
	if strings.HasSuffix(host, ownZone) && len(host) > len(ownZone) || strings.HasSuffix(host, i2pZone) && slices.Contains(t.Keys, host) {
		return true
	}
	labels, ok := strings.CutSuffix(host, houseZone)
	if !ok {
		labels, ok = strings.CutSuffix(host, onionSuffix)
		return ok && slices.Contains(t.Keys, lastLabel(labels))
	}
	label := lastLabel(labels)
	_, err := Parse(label)
	return label != "" && (err != nil || slices.Contains(t.Keys, label))
}

// hostOf is a Host without its port, brackets and final dot, in lower case.
func hostOf(text string) string {
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func lastLabel(labels string) string { return labels[strings.LastIndexByte(labels, '.')+1:] }

// partingBytes and partingTime bound what is read of a visitor after the last
// word to it: a socket that is closed with something unread takes that word away.
const (
	partingBytes = 1 << 20
	partingTime  = 5 * time.Second
)

// sayLast says a last word to a visitor.
func sayLast(c net.Conn, word string) {
	if _, err := io.WriteString(c, word); err != nil {
		return
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // without it the visitor reads on until the end
	}
	_ = c.SetReadDeadline(time.Now().Add(partingTime))
	_, _ = io.CopyN(io.Discard, c, partingBytes)
}
