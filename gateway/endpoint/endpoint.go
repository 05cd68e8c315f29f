// Package endpoint holds what all servers on the box have in common: what they
// may know about a caller, how many callers they take, and the accept loop.
//
// Use it for a server that tunic runs itself and that strangers, friends or
// devices reach (the folders below are one protocol each). Do not use it for a
// relay to somebody else's server: that is the front of an onion, which needs
// the bare connections so that the kernel can copy between them.
//
// Nothing here or below dials: a server that parses strangers' bytes gets its
// connections from outside.
package endpoint

import (
	"context"
	"log/slog"
	"net"
)

// Visitor is all that an endpoint may know about who is calling.
//
// It holds no name and no network address of a friend: an onion tells nobody
// who comes. A method that logs a Visitor writes its port alone.
type Visitor struct {
	// Host is the name by which the visitor reached this box: "KEY.onion", or
	// an address or "box.home.arpa" in the household. Text for the visitor
	// names the box by this and by nothing else.
	Host string

	// Port is the port that the visitor dialled (70 for Gopher), which is not
	// the port that the listener is bound to.
	Port uint16

	// ID tells visitors apart for limits: the circuit id of an onion's visitor
	// or the address of a device. It is not an identity (a visitor can have a
	// new one at will) and is never logged. Empty means unknown.
	ID string
}

// LogValue keeps the name and the id out of logs.
func (v Visitor) LogValue() slog.Value {
	return slog.GroupValue(slog.Uint64("port", uint64(v.Port)))
}

// Endpoint is a server for one protocol.
type Endpoint interface {
	// Name is the protocol, in lower case: "gopher".
	Name() string

	// ServeConn holds one conversation and returns when it is over. It sets its
	// own deadlines on c, tolerates a c that closes under it when ctx ends, and
	// leaves the closing of c to the caller. The error says why a conversation
	// ended early; it is for a debug log and holds nothing of what was said.
	ServeConn(ctx context.Context, c net.Conn, v Visitor) error
}
