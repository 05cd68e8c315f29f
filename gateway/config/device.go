package config

import (
	"bytes"
	"net"
	"path/filepath"
)

// devices reads devices/NAME.toml. A device without a policy of its own has
// the household's default: the file then only gives it a name.
func (l *loader) devices(cfg *Config) {
	owner := make(map[string]string) // MAC -> name of the device's file
	l.each(l.paths.DeviceDir(), func(name string, t *table) {
		d := Device{Name: name, Policy: readPolicy(t, "policy", cfg.Household.DefaultPolicy)}
		block, given := t.boolean("block")
		d.Unblocked = given && !block
		text, ok := t.text("mac")
		if !t.has("mac") {
			t.missing("mac", `name the device's hardware address, like mac = "02:00:5e:10:00:01" ("ip neigh" lists them)`)
		}
		if !ok {
			return
		}
		mac, p := parseMAC(text)
		if p != nil {
			t.add("mac", p)
			return
		}
		d.MAC = mac
		if other, taken := owner[mac]; taken {
			t.add("mac", problemf("one device has one file: remove one of the two", "%s is also the address in %s", mac, other))
			return
		}
		owner[mac] = filepath.Base(l.paths.DeviceDir()) + "/" + filepath.Base(t.doc.file)
		cfg.Devices = append(cfg.Devices, d)
	})
}

// parseMAC returns an Ethernet address in lower case with colons.
func parseMAC(text string) (string, *problem) {
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil || len(mac) != 6:
		return "", problemf(`six pairs of hexadecimal digits, like "02:00:5e:10:00:01"`, "%q is not a hardware address", text)
	case mac[0]&1 != 0: // IEEE 802: the group bit; covers broadcast
		return "", problemf("", "%s is the address of a group, not of a device", mac)
	case bytes.Equal(mac, make([]byte, 6)):
		return "", problemf("", "%s is no device's address", mac)
	}
	return mac.String(), nil
}

// NameOf is what the household calls the device with that hardware address: the
// address itself if it has no name.
func (c *Config) NameOf(mac string) string {
	for _, d := range c.Devices {
		if d.MAC == mac && d.Name != "" {
			return d.Name
		}
	}
	return mac
}

// PolicyOf is the policy of the device with that hardware address.
func (c *Config) PolicyOf(mac string) Policy {
	for _, d := range c.Devices {
		if d.MAC == mac {
			return d.Policy
		}
	}
	return c.Household.DefaultPolicy
}
