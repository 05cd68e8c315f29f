package link

import "net/netip"

// Files is the household's way to what friends share: devices come with the
// port for shared files at virtual addresses.
type Files struct {
	Listeners []string
}

// Terminator is the household's way to a server on the box that others have written.
type Terminator struct {
	Name      string   // of the protocol: "imap", "xmpp", "irc"
	Listeners []string // for the household
	Server    netip.AddrPort
	Port      uint16 // that devices dial

	// TLS ends in serve; what is inside goes on.
	TLS bool

	// A device has an address in 127.0.0.0/8 of its own. Proxy has the server told
	// so (PROXY protocol version 1); else it is dialled from there.
	Proxy bool

	// Remembers: a device has the same address there after serve is started again.
	Remembers bool `json:",omitzero"`

	// Places are what the household has of the server's.
	Places Places `json:",omitzero"`

	// Onion has visitors of the home onion reach it by its name too.
	Onion bool
}

// Places are how many connections a server takes: Each of one device or
// circuit, and Total of all. Zero: it has no bound of its own.
type Places struct{ Each, Total int }
