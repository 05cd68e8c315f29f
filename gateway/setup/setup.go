// Package setup makes a box the gateway of its household by a few questions: it
// guesses from the interfaces that the box has, asks, writes the configuration, puts
// it in force, and takes everything back unless somebody confirms it in time. Use it
// for the first configuration and for another one later; single keys are for an editor
// and `tunic reload`. It changes the system by what it is handed, and dials nobody.
package setup

import (
	"net/netip"
	"slices"
	"strings"

	"tunic/gateway/config"
	"tunic/gateway/feature"
)

// Box is what setup finds.
type Box struct {
	Links    []feature.Link
	Wireless []string            // interfaces with a radio
	Visits   []feature.Visit     // connections to servers of the box that are open now
	Routers  []feature.Neighbour // hosts of the household that say they are IPv6 routers
	DHCP     bool                // a DHCP server runs on the box
	SSH      []uint16            // ports on which an ssh server listens
	Tor      DebianTor
	Text     string   // of tunic.toml; "" if there is none
	Users    []string // accounts for mail and chat
	Mail     bool     // there is a file endpoints/smtp.toml
	Chat     bool     // and endpoints/xmpp.toml

	Config *config.Config // Text as it is understood; nil if there is none, or it has a mistake
}

// DebianTor is the tor that the package of Debian runs beside tunic's.
type DebianTor struct {
	Running bool
	Edited  bool // its owner has written something into its configuration
}

// Answers are what the owner wants.
type Answers struct {
	Household []string
	OneArm    bool
	Others    []string
	Inbound   []string // as in tunic.toml: "tcp/22"
	Mail      bool
	Chat      bool
	User      string // the first; "" is none
	Password  string
	Made      bool // the password was made by tunic, and its user does not know it yet
}

// Settings are the keys of tunic.toml that setup asks for.
func (a Answers) Settings() []config.Setting {
	return []config.Setting{
		{Table: "household", Key: "interfaces", Value: a.Household},
		{Table: "household", Key: "one-arm", Value: a.OneArm},
		{Table: "gateway", Key: "other-networks", Value: a.Others},
		{Table: "gateway", Key: "inbound", Value: a.Inbound},
	}
}

// Text is the box's tunic.toml with the answers in it; where there was none, the
// example with them.
func (a Answers) Text(old string) (string, error) {
	if old == "" {
		old = config.Example()
	}
	return config.Settle(old, a.Settings()...)
}

// link returns the interface of that name.
func (b Box) link(name string) (feature.Link, bool) {
	i := slices.IndexFunc(b.Links, func(l feature.Link) bool { return l.Name == name })
	if i < 0 {
		return feature.Link{}, false
	}
	return b.Links[i], true
}

// uplinks are the interfaces that lead to the internet.
func (b Box) uplinks() []string {
	return names(b.Links, func(l feature.Link) bool { return l.Default && !l.Port })
}

// homes are the interfaces behind which the household probably is.
func (b Box) homes() []string {
	return names(b.Links, func(l feature.Link) bool {
		return l.Up && !l.Default && !l.Port && private(l) && !machines(l.Name)
	})
}

// others are the networks that pass today: of containers, virtual machines, tunnels.
func (b Box) others(household []string) []string {
	return names(b.Links, func(l feature.Link) bool {
		return l.Up && !l.Default && !l.Port && len(l.Addresses) > 0 && !slices.Contains(household, l.Name)
	})
}

func names(links []feature.Link, match func(feature.Link) bool) (list []string) {
	for _, l := range links {
		if match(l) && !strings.HasPrefix(l.Name, feature.ProbePrefix) {
			list = append(list, l.Name)
		}
	}
	return list
}

// private reports whether an interface has an address of a home (RFC 1918, RFC 4193).
func private(l feature.Link) bool {
	return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr().IsPrivate() })
}

// made begin names that programs give to interfaces, with whose they are.
var made = []struct{ prefix, whose string }{
	{"docker", "Docker's containers"}, {"br-", "probably Docker's containers"}, {"veth", "a container"}, {"virbr", "virtual machines"},
	{"lxc", "containers"}, {"lxd", "containers"}, {"podman", "Podman's containers"}, {"cni", "containers"},
	{"wg", "WireGuard"}, {"tun", "a VPN"}, {"tap", "a VPN"}, {"tailscale", "Tailscale"},
}

// whose says whose interface it is by its name; "" is a person's.
func whose(name string) string {
	for _, m := range made {
		if strings.HasPrefix(name, m.prefix) && name != "br-lan" {
			return m.whose
		}
	}
	return ""
}

func machines(name string) bool { return whose(name) != "" }

// Words describe each interface in a line, for a person who has to choose.
func (b Box) Words() (lines []string) {
	width := 0
	for _, l := range b.Links {
		width = max(width, len(l.Name))
	}
	for _, l := range b.Links {
		if !strings.HasPrefix(l.Name, feature.ProbePrefix) {
			lines = append(lines, l.Name+strings.Repeat(" ", width-len(l.Name)+2)+strings.Join(b.traits(l), ", "))
		}
	}
	return lines
}

func (b Box) traits(l feature.Link) []string {
	if l.Port {
		return []string{"a port of a bridge, which stands for it"}
	}
	var list []string
	for _, a := range l.Addresses {
		list = append(list, a.String())
	}
	if len(l.Addresses) == 0 {
		list = append(list, "no address")
	}
	if l.Default {
		list = append(list, "leads to the internet")
	}
	if w := whose(l.Name); w != "" {
		list = append(list, w)
	} else if l.Bridge {
		list = append(list, "a bridge")
	}
	if slices.Contains(b.Wireless, l.Name) {
		list = append(list, "Wi-Fi")
	}
	switch {
	case !l.Up:
		list = append(list, "switched off")
	case !l.Carrier && !l.Bridge:
		list = append(list, "no cable")
	}
	if l.Hosts > 0 && !l.Default {
		list = append(list, count(l.Hosts, "device", "devices")+" seen")
	}
	return list
}
