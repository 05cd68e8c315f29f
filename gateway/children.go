package gateway

import (
	"net/netip"
	"tunic/gateway/feature"

	"tunic/gateway/config"
	"tunic/rules"
)

// childRules say what each of these processes may dial.
func childRules(in Inputs) (list []rules.Child) {
	may := map[feature.IDs][]rules.Way{
		in.Serve: serveWays(in),
		in.XMPP:  {onLoopback(rules.ProtocolTCP, config.SocksPort)},
	}
	for _, ids := range in.Confined() {
		list = append(list, rules.Child{UID: ids.UID, May: may[ids]})
	}
	return list
}

// serveWays are tor's ports for devices, the managed servers that serve stands
// before, the owner's servers for names of the house, and the targets of onions.
func serveWays(in Inputs) []rules.Way {
	ways := []rules.Way{onLoopback(rules.ProtocolTCP, config.SocksPort), onLoopback(rules.ProtocolUDP, config.DNSPort)}
	for _, port := range []uint16{config.DovecotPort, config.ProsodyClientPort, config.ProsodyServerPort, config.ProsodyFilesPort, config.NgircdPort} {
		ways = append(ways, onLoopback(rules.ProtocolTCP, port))
	}
	for _, f := range in.Config.DNS.Forward {
		for _, protocol := range []uint8{rules.ProtocolTCP, rules.ProtocolUDP} {
			ways = append(ways, rules.Way{Protocol: protocol, To: f.Server.Addr().Unmap(), Port: f.Server.Port()})
		}
	}
	for _, o := range in.Config.AllOnions() {
		for _, p := range o.Ports {
			switch t := p.Target; {
			case t.Host != "": // where that is changes without the configuration
				ways = append(ways, rules.Way{Protocol: rules.ProtocolTCP, Port: t.Port})
			case t.Addr.IsValid():
				ways = append(ways, rules.Way{Protocol: rules.ProtocolTCP, To: t.Addr.Addr().Unmap().WithZone(""), Port: t.Addr.Port()})
			}
		}
	}
	return ways
}

func onLoopback(protocol uint8, port uint16) rules.Way {
	return rules.Way{Protocol: protocol, To: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port: port}
}
