package link

import "net/netip"

// Files is the household's way to what friends share: devices come with the
// port for shared files at virtual addresses.
type Files struct {
	Listeners []string
}

// Behind is the household's way to a server on the box that others have written.
type Behind struct {
	Name      string   // of the protocol: "imap", "xmpp", "irc"
	Listeners []string // for the household
	Server    netip.AddrPort
	Port      uint16 // that devices dial

	// TLS ends in serve; what is inside goes on.
	TLS bool

	// Proxy has the server told which device is calling (PROXY protocol version
	// 1); else the device has an address in 127.0.0.0/8 of its own.
	Proxy bool

	// Onion has visitors of the home onion reach it by its name too.
	Onion bool
}
