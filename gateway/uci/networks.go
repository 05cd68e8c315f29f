package uci

import (
	"strings"

	"tunic/gateway/config"
)

// withoutDevice are protocols whose interface has the name of its section
// (netifd: the device is made by the protocol, not named by the owner).
var withoutDevice = map[string]bool{"wireguard": true, "amneziawg": true}

// device finds the interface of the kernel that a network of /etc/config/network
// has, as netifd names it.
func device(networks []Section, name string) (string, *config.Error) {
	asked := name
	for range len(networks) + 1 { // an alias may lead in a circle
		s := interfaceSection(networks, name)
		if s == nil {
			return "", &config.Error{Msg: "there is no network called \"" + name + "\" in /etc/config/network",
				Hint: "there are: " + strings.Join(networkNames(networks), ", ")}
		}
		dev := s.value("device")
		if dev == "" {
			dev = s.value("ifname") // before 21.02
		}
		alias, isAlias := strings.CutPrefix(dev, "@")
		switch {
		case s.value("type") == "bridge": // before 21.02, where ifname are the bridge's ports
			return "br-" + name, nil
		case isAlias:
			name = alias
			continue
		case strings.ContainsAny(dev, " \t"):
			return "", &config.Error{Msg: "the network \"" + name + "\" has several devices and is no bridge: " + dev}
		case dev != "":
			return dev, nil
		case withoutDevice[s.value("proto")]:
			return name, nil
		}
		return "", &config.Error{Msg: "the network \"" + name + "\" has no device in /etc/config/network",
			Hint: "give it one (Network, Interfaces in LuCI), or write /etc/tunic/tunic.toml instead of /etc/config/tunic"}
	}
	return "", &config.Error{Msg: "the network \"" + asked + "\" is an alias that leads in a circle"}
}

func interfaceSection(networks []Section, name string) *Section {
	for i := range networks {
		if networks[i].Type == "interface" && networks[i].Name == name {
			return &networks[i]
		}
	}
	return nil
}

// networkNames lists the networks but the loopback's.
func networkNames(networks []Section) (names []string) {
	for _, s := range networks {
		if s.Type == "interface" && s.Name != "loopback" && s.Name != "" {
			names = append(names, s.Name)
		}
	}
	return names
}
