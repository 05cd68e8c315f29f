package rules

import "slices"

// String returns the policy's name in the configuration: "tor", "onion",
// "direct" or "block"; "portal" for that mark, "unknown" for any other number.
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

// Cut returns the policies whose open connections must be cut when the rules
// change from before to after, because some device had that policy and now
// gets a stricter one: its connections keep the mark, and with it the freedom,
// of the day on which they were opened. The caller first applies the new
// rules, then deletes the conntrack entries with these marks in both families.
// Devices that keep the policy lose their connections too and open new ones.
//
// A before without a default policy means that nobody knows what was there, as
// when the daemon starts: then all connections that went out in clear are cut.
//
// Connections of a bypass, and of devices that use Tor themselves, have the
// mark of direct, whatever their device's policy: they are cut when that is
// not allowed any more, and with those of their device.
//
// Nothing else counts. A closer mode, fewer exceptions or the box's own
// traffic going through Tor need no cut: no rule lets an established
// connection pass for being established.
func Cut(before, after Input) []Policy {
	if !before.Default.valid() {
		return []Policy{Onion, Direct, Portal}
	}
	cut := make(map[Policy]bool)
	compare := func(old, new Policy) {
		if new.rank() > old.rank() {
			cut[old] = true
		}
	}
	compare(before.Default, after.Default)
	for _, d := range before.Devices {
		compare(d.Policy, after.PolicyOf(d.MAC))
	}
	for _, d := range after.Devices {
		compare(before.PolicyOf(d.MAC), d.Policy)
	}
	if bypassLost(before, after) || passLost(before, after) || len(cut) > 0 && (len(before.Bypasses) > 0 || before.OverTor) {
		cut[Direct] = true
	}
	if PortalLost(before, after) {
		cut[Portal] = true
	}
	var policies []Policy
	for p := range cut {
		policies = append(policies, p)
	}
	slices.Sort(policies)
	return policies
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
