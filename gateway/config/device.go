package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"net"
	"path/filepath"
	"sync/atomic"
)

// deviceTexts are the devices of which the files spoke that were read last, without name, by
// the files' text; a device without a policy of its own has none. A house has many such files, and
// each verb that changes one reads all of them.
var deviceTexts atomic.Pointer[map[[sha256.Size]byte]Device]

// devices reads devices/NAME.toml. A device without a policy of its own has
// the household's default: the file then only gives it a name.
func (l *loader) devices(cfg *Config) {
	var known map[[sha256.Size]byte]Device
	if last := deviceTexts.Load(); last != nil {
		known = *last
	}
	right := make(map[[sha256.Size]byte]Device)
	owner := make(map[string]string) // MAC -> name of the device's file
	paths, errs := listNamed(l.paths.DeviceDir())
	l.errs = append(l.errs, errs...)
	for _, f := range l.readAll(paths) {
		d, again := known[f.sum]
		if !again || owner[d.MAC] != "" {
			_, t := parseDocument(f.path, f.text)
			d = readDevice(t, owner)
			l.finish(t)
			again = len(t.doc.errs) == 0
		}
		if d.MAC != "" && owner[d.MAC] == "" {
			owner[d.MAC] = filepath.Base(l.paths.DeviceDir()) + "/" + filepath.Base(f.path)
		}
		if !again {
			continue
		}
		right[f.sum] = d
		d.Name, d.Policy = stem(f.path), cmp.Or(d.Policy, cfg.Household.DefaultPolicy)
		cfg.Devices = append(cfg.Devices, d)
	}
	deviceTexts.Store(&right)
}

// readDevice reads the file of one, without name. owner are those that are known, by address,
// and their files.
func readDevice(t *table, owner map[string]string) Device {
	d := Device{Policy: readPolicy(t, "policy", "")}
	block, given := t.boolean("block")
	d.Unblocked = given && !block
	text, ok := t.text("mac")
	if !t.has("mac") {
		t.missing("mac", `name the device's hardware address, like mac = "02:00:5e:10:00:01" ("ip neigh" lists them)`)
	}
	if !ok {
		return d
	}
	mac, p := parseMAC(text)
	if other := owner[mac]; p == nil && other != "" {
		p = problemf("one device has one file: remove one of the two", "%s is also the address in %s", mac, other)
	}
	if p != nil {
		t.add("mac", p)
	}
	d.MAC = mac
	return d
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
