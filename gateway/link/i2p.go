package link

// I2P is the household's way to names of I2P: devices come with an address of DNS.I2P.
type I2P struct {
	Listeners []string
}

// I2PFront is where visitors of an onion come who reach it by I2P. They are led where those
// by Tor are.
type I2PFront struct {
	Host  string // "LETTERS.b32.i2p"
	Ports []I2PPort
}

// I2PPort is one port of it.
type I2PPort struct {
	Virtual  uint16
	Listener string // for i2pd, which calls from an address in 127.0.0.0/8 for each visitor
}
