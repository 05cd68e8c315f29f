package feature

import (
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/config"
)

// Surroundings is what no rule of ours can hold: ways around the box, and ways past
// its rules.
type Surroundings struct {
	Links   []Link      // all interfaces but loopback
	Renamed []string    // household interfaces that were there before under that name
	Visits  []Visit     // connections to servers of the box that are open now
	Serves  []uint16    // TCP ports at which servers of the box listen, for others than the box itself
	Routers []Neighbour // hosts of the household that say they are IPv6 routers
	Ways    []Neighbour // hosts of the household by which the box itself reaches the internet
	Spoken  []Neighbour // IPv4 devices of the household that the box has just spoken with
	Fast    []string    // what lets packets past the rules, in words
	Others  []Firewall  // of other programs, which refuse what these rules let pass
	Tors    []string    // users of the box, other than tunic's, who run a tor
}

// Around returns what is around a household of these interfaces, whatever household
// its links were looked at for. One that has another name stays the household's by our
// group while one of those is missing: it may be that one.
func (s Surroundings) Around(household []string) Surroundings {
	missing := slices.ContainsFunc(household, func(name string) bool {
		return !slices.ContainsFunc(s.Links, func(l Link) bool { return l.Name == name })
	})
	s.Links = slices.Clone(s.Links)
	for i, l := range s.Links {
		s.Links[i].Household = slices.Contains(household, l.Name) || l.Household && missing
	}
	return s
}

// NoWayOut reports whether no interface with a cable has a route to everywhere.
// What could not be read is none that is missing.
func (s Surroundings) NoWayOut() bool {
	return len(s.Links) > 0 && !slices.ContainsFunc(s.Links, func(l Link) bool { return l.Default && l.Up && l.Carrier })
}

// Link is one interface of the box, and where it leads.
type Link struct {
	Name      string
	Up        bool // switched on
	Carrier   bool // there is a cable or a radio, and somebody at its other end
	Household bool // by its name or, with another name, by our group
	Default   bool // a route to everywhere leads there
	Bridge    bool
	Port      bool           // of a bridge or a bond, which stands for it
	Addresses []netip.Prefix // the box's own with their networks, without link-local ones
	Hosts     int            // neighbours that have answered lately
}

// Visit is a connection to a server of the box.
type Visit struct {
	Port uint16 // TCP
	From netip.Addr
}

// Words describe an interface as a person would look for it: "eth1 192.168.1.1/24".
func (l Link) Words() string {
	parts := []string{l.Name}
	for _, a := range l.Addresses {
		parts = append(parts, a.String())
	}
	if l.Default {
		parts = append(parts, "(default route)")
	}
	return strings.Join(parts, " ")
}

// Network reports whether there may be devices that use the box as their gateway.
func (l Link) Network() bool { return !l.Household && !l.Default && !l.Port && l.Up }

// Firewall is another program that refuses by default what our rules let pass.
type Firewall struct {
	Program string // "ufw", "Docker", "firewalld", or "the table inet filter"
	Hook    string // "input", "forward" or "output"
	Table   string // of nf_tables: "inet filter"
	Chain   string
}

// ProbePrefix begins the names of interfaces that the leak test may make.
const ProbePrefix = "tunic-probe"

// UplinkAsHousehold is a household interface that is the only way to the internet,
// on a box that is not said to be beside the router: its neighbours would be served
// as if they were at home, and who is at home would not be. "" is none.
func UplinkAsHousehold(c *config.Config, links []Link) string {
	var uplink string
	for _, l := range links {
		switch {
		case !l.Default || l.Port:
		case !l.Household:
			return ""
		default:
			uplink = l.Name
		}
	}
	if c.Household.OneArm {
		return ""
	}
	return uplink
}

// SealedOff says who else may keep tor in, when it gets no answer; "" is nobody.
func (a Surroundings) SealedOff() string {
	var who []string
	for _, f := range a.Others {
		if f.Hook == "output" {
			who = append(who, f.Program)
		}
	}
	if len(who) == 0 {
		return ""
	}
	return "; " + strings.Join(who, " and ") + " refuses by default what this box sends, tor too"
}
