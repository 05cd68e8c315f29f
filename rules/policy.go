package rules

// String returns the policy's name in the configuration: "tor", "onion",
// "direct" or "block"; "portal" for that mark, "tor's own" for that of
// what tor has opened, "unknown" for any other number.
func (p Policy) String() string {
	switch p {
	case Tor:
		return "tor"
	case Onion:
		return "onion"
	case Direct:
		return "direct"
	case Block:
		return "block"
	case Portal:
		return "portal"
	case carried:
		return "tor's own"
	}
	return "unknown"
}

// Mark is what the policy leaves on a connection, in the bits of MarkMask.
func (p Policy) Mark() uint32 { return uint32(p) << MarkShift }

func (p Policy) valid() bool { return p >= Tor && p <= Block }

// rank orders the policies by what they forbid: more is stricter.
func (p Policy) rank() int {
	switch p {
	case Direct:
		return 0
	case Onion:
		return 1
	case Tor:
		return 2
	}
	return 3
}

// PolicyOf returns the policy of the device with that MAC address: its own, or
// the default.
func (in Input) PolicyOf(mac string) Policy {
	for _, d := range in.Devices {
		if d.MAC == mac {
			return d.Policy
		}
	}
	return in.Default
}
