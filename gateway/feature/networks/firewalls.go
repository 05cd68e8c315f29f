package networks

import (
	"fmt"

	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/health"
)

// firewallFindings say what another program cuts, and with which line it would
// not. What devices send through Tor is accepted by our own rules, where iptables
// sees them; a filter in another table has a word of its own (nft(8)).
func firewallFindings(c *config.Config, list []feature.Firewall) (found []health.Finding) {
	for _, f := range list {
		for _, name := range c.Household.Interfaces {
			line := permitLine(f, name)
			switch f.Hook {
			case "input":
				found = append(found, finding(health.OtherFirewall, f.Program, "%s refuses what comes in by default, "+
					"also what devices send through Tor, and says nothing of %s; write: %s", f.Program, name, line))
			case "forward":
				if goesOut(c) {
					found = append(found, finding(health.OtherFirewall, f.Program, "%s refuses what is forwarded by default, "+
						"also of devices that may go direct, and says nothing of %s; write: %s", f.Program, name, line))
				}
			}
		}
	}
	return found
}

// permitLine is what lets a household interface pass there.
func permitLine(f feature.Firewall, name string) string {
	switch {
	case f.Program == "ufw":
		return "`ufw route allow in on " + name + "`"
	case f.Program == "Docker":
		return fmt.Sprintf("`iptables -I DOCKER-USER -i %s -j ACCEPT` and `iptables -I DOCKER-USER -o %s -m conntrack --ctstate "+
			"RELATED,ESTABLISHED -j ACCEPT`", name, name)
	case f.Program == "firewalld":
		return fmt.Sprintf("`firewall-cmd --permanent --zone=trusted --add-interface=%s` and `firewall-cmd --reload`", name)
	case f.Hook == "input":
		return fmt.Sprintf("`nft insert rule %s %s iifname %s ct status dnat accept`", f.Table, f.Chain, name)
	}
	return fmt.Sprintf("`nft insert rule %s %s iifname %s accept` and `nft insert rule %s %s oifname %s ct state "+
		"established,related accept`",
		f.Table, f.Chain, name, f.Table, f.Chain, name)
}

// goesOut reports whether something of the household may leave outside Tor.
func goesOut(c *config.Config) bool {
	out := func(p config.Policy) bool { return p == config.PolicyDirect || p == config.PolicyOnion }
	for _, d := range c.Devices {
		if out(d.Policy) {
			return true
		}
	}
	return out(c.Household.DefaultPolicy) || len(c.Bypasses) > 0
}
