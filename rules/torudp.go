package rules

// TorUDP is what tor's uid may send beside TCP. tor itself needs nothing; the
// programs of some bridges' transports run under its uid, and do.
type TorUDP uint8

const (
	NoUDP    TorUDP = iota
	NamesUDP        // questions to a DNS server: the transport dials a host by its name
	AnyUDP          // to anywhere: snowflake speaks WebRTC with whoever it is sent to
)

// tor lets tor's uid out.
func (c compiler) tor(chain *Chain) {
	if c.TorUID == 0 {
		return
	}
	chain.add("-p tcp -m owner --uid-owner %d -j RETURN", c.TorUID)
	switch c.TorUDP {
	case NamesUDP:
		chain.add("-p udp -m udp --dport %d -m owner --uid-owner %d -j RETURN", dnsPort, c.TorUID)
	case AnyUDP:
		chain.add("-p udp -m owner --uid-owner %d -j RETURN", c.TorUID)
	}
}
