package lab

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Role says what a node is for.
type Role string

// The roles of nodes.
const (
	Switch   Role = "switch"   // the wire of the internet; the captures run here
	Relays   Role = "relays"   // directory authorities and exit relays, one address each
	Internet Role = "internet" // web, DNS and echo servers
	Gateway  Role = "gateway"  // a household's router, which runs tunic
	Device   Role = "device"   // a host behind a gateway
)

// Names of the nodes that belong to no household.
const (
	SwitchNode   = "net"
	RelaysNode   = "relays"
	InternetNode = "internet"
)

// Interface is one network interface of a node with its fixed addresses.
type Interface struct {
	Name  string         `json:"name"`
	MAC   string         `json:"mac"`
	Addrs []netip.Prefix `json:"addresses"`
}

// Node is one machine of the lab.
type Node struct {
	Name      string       `json:"name"`
	Namespace string       `json:"namespace"`
	Role      Role         `json:"role"`
	Household int          `json:"household,omitempty"` // 1 is A; 0 is none
	Uplink    Interface    `json:"uplink"`              // towards the internet; none on the switch
	LAN       Interface    `json:"lan"`                 // gateways only: the household's bridge
	Default   []netip.Addr `json:"default,omitempty"`   // default routes, IPv4 and IPv6
	Resolver  netip.Addr   `json:"resolver"`            // for /etc/resolv.conf; invalid on the switch
	Machine   bool         `json:"machine,omitempty"`   // gateways only: a machine is plugged in, see Lab.PlugIn
	Beside    bool         `json:"beside,omitempty"`    // machines only: beside the household's router, see Lab.SetBeside
}

// Plan is everything about a lab that is known before it is built.
type Plan struct {
	ID         string
	Households int
	Nodes      []Node
}

// Addresses of the servers on the internet node. The public resolvers are
// there because devices have them built in: a question that leaks to one of
// them is answered and so does harm, as it would at home.
var (
	webAddrs   = []netip.Addr{netip.MustParseAddr("203.0.113.80"), netip.MustParseAddr("2001:db8::80")}
	dnsAddrs   = []netip.Addr{netip.MustParseAddr("203.0.113.53"), netip.MustParseAddr("2001:db8::53")}
	routers    = []netip.Addr{netip.MustParseAddr("203.0.113.254"), netip.MustParseAddr("2001:db8::254")}
	publicDNS  = []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2001:4860:4860::8888")}
	markerMAC  = "02:00:00:00:00:fe"
	households = []household{
		{letter: 'a', net: 77, wan: 100, gateway: "gateway", devices: []device{{"phone", 10}, {"laptop", 11}, {NASNode, 20}}},
		{letter: 'b', net: 78, wan: 101, gateway: "friend", devices: []device{{"friend-laptop", 10}}},
		{letter: 'c', net: 79, wan: 102, gateway: "c-gateway", devices: []device{{"c-laptop", 10}}},
	}
)

// NASNode is the device that runs servers of its own, to be published.
const NASNode = "nas"

type household struct {
	letter  byte
	net     int // 192.168.NET.0/24, fdNET::/64, 2001:db8:NET::/64
	wan     int // 203.0.113.WAN, 2001:db8::WAN
	gateway string
	devices []device
}

type device struct {
	name string
	host int
}

var validID = regexp.MustCompile(`^[a-z0-9]{1,8}$`)

// CheckID says what is wrong with a lab's name.
func CheckID(id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("checking the lab's name %q: it must be 1 to 8 characters of a-z and 0-9", id)
	}
	return nil
}

// NewPlan returns the plan of the lab called id with two or three households.
func NewPlan(id string, n int) (Plan, error) {
	if err := CheckID(id); err != nil {
		return Plan{}, err
	}
	if n < 2 || n > len(households) {
		return Plan{}, fmt.Errorf("planning the lab: %d households: it has to be 2 or 3", n)
	}
	p := Plan{ID: id, Households: n}
	p.Nodes = append(p.Nodes, Node{Name: SwitchNode, Role: Switch}, relaysNode(), internetNode())
	for i, h := range households[:n] {
		p.Nodes = append(p.Nodes, h.gatewayNode(i+1))
		for _, d := range h.devices {
			p.Nodes = append(p.Nodes, h.deviceNode(i+1, d))
		}
	}
	for i := range p.Nodes {
		p.Nodes[i].Namespace = namespacePrefix(id) + p.Nodes[i].Name
	}
	return p, nil
}

// namespacePrefix begins the names of all namespaces of the lab called id, and
// of no other lab, since an id has no hyphen.
func namespacePrefix(id string) string { return "tunic-" + id + "-" }

func relaysNode() Node {
	n := Node{Name: RelaysNode, Role: Relays, Default: routers, Resolver: dnsAddrs[0]}
	n.Uplink = Interface{Name: "eth0", MAC: "02:00:00:00:00:01"}
	for _, r := range TorRelays() {
		n.Uplink.Addrs = append(n.Uplink.Addrs, netip.PrefixFrom(r.Addr4, 24), netip.PrefixFrom(r.Addr6, 64))
	}
	return n
}

func internetNode() Node {
	n := Node{Name: InternetNode, Role: Internet, Resolver: dnsAddrs[0]}
	n.Uplink = Interface{Name: "eth0", MAC: "02:00:00:00:00:80"}
	for _, pair := range [][]netip.Addr{webAddrs, dnsAddrs, routers} {
		n.Uplink.Addrs = append(n.Uplink.Addrs, netip.PrefixFrom(pair[0], 24), netip.PrefixFrom(pair[1], 64))
	}
	n.Uplink.Addrs = append(n.Uplink.Addrs, netip.PrefixFrom(publicDNS[0], 32), netip.PrefixFrom(publicDNS[1], 128))
	return n
}

func (h household) gatewayNode(number int) Node {
	return Node{
		Name: h.gateway, Role: Gateway, Household: number, Default: routers, Resolver: dnsAddrs[0],
		Uplink: Interface{Name: "wan", MAC: h.mac(h.wan), Addrs: []netip.Prefix{
			parsePrefix("203.0.113.%d/24", h.wan), parsePrefix("2001:db8::%d/64", h.wan)}},
		LAN: Interface{Name: "br-lan", MAC: h.mac(1), Addrs: h.addrs(1)},
	}
}

func (h household) deviceNode(number int, d device) Node {
	router := h.addrs(1)
	return Node{
		Name: d.name, Role: Device, Household: number,
		Default: []netip.Addr{router[0].Addr(), router[2].Addr()}, Resolver: router[0].Addr(),
		Uplink: Interface{Name: "eth0", MAC: h.mac(d.host), Addrs: h.addrs(d.host)},
	}
}

// addrs returns the IPv4, unique local and global address of a host.
func (h household) addrs(host int) []netip.Prefix {
	return []netip.Prefix{
		parsePrefix("192.168.%d.%d/24", h.net, host),
		parsePrefix("fd%d::%d/64", h.net, host),
		parsePrefix("2001:db8:%d::%d/64", h.net, host),
	}
}

// mac writes the host's number in decimal digits, so that captures can be read
// by people: 02:00:00:0a:00:10 is 192.168.77.10 of household A.
func (h household) mac(host int) string {
	return fmt.Sprintf("02:00:00:%02x:%02d:%02d", h.letter-'a'+0x0a, host/100, host%100)
}

func parsePrefix(format string, args ...any) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf(format, args...))
}

// withMachines returns the plan with machines in the place of the gateways.
func (p Plan) withMachines(gateways []string) (Plan, error) {
	p.Nodes = slices.Clone(p.Nodes)
	for _, name := range gateways {
		i := slices.IndexFunc(p.Nodes, func(n Node) bool { return n.Name == name && n.Role == Gateway })
		if i < 0 {
			return Plan{}, fmt.Errorf("planning the lab: %s is no gateway: %s are", name, strings.Join(p.Gateways(), ", "))
		}
		p.Nodes[i].Machine = true
	}
	return p, nil
}

// Node returns the node called name; the error lists all nodes.
func (p Plan) Node(name string) (Node, error) {
	names := make([]string, 0, len(p.Nodes))
	for _, n := range p.Nodes {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return Node{}, fmt.Errorf("finding node %q: lab %q has %s", name, p.ID, strings.Join(names, ", "))
}

// WithRole returns the nodes that have the role, in the plan's order.
func (p Plan) WithRole(role Role) []Node {
	var found []Node
	for _, n := range p.Nodes {
		if n.Role == role {
			found = append(found, n)
		}
	}
	return found
}

// Gateways returns the names of the households' gateways.
func (p Plan) Gateways() []string {
	var names []string
	for _, n := range p.WithRole(Gateway) {
		names = append(names, n.Name)
	}
	return names
}

// gatewayOf returns the router of the household that n belongs to.
func (p Plan) gatewayOf(n Node) Node {
	for _, g := range p.WithRole(Gateway) {
		if g.Household == n.Household {
			return g
		}
	}
	return Node{}
}
