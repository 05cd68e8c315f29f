package i2p

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/feature"
	"tunic/gateway/health"
	router "tunic/gateway/i2p"
	"tunic/gateway/link"
	"tunic/gateway/supervise"
	"tunic/rules"
)

// published is an onion that is published by I2P, and its address there.
type published struct{ onion, address string }

// look reads the keys of what is published, or makes them.
func look(s feature.Scene, r *feature.Report) (list []published) {
	for _, o := range s.Onions() {
		if !o.I2P {
			continue
		}
		address, err := addressOf(s, o.Name)
		if err != nil {
			r.Find(health.I2PUnusable, o.Name, "onion %s is not published by I2P: %v", o.Name, err)
			continue
		}
		list = append(list, published{o.Name, address})
	}
	return list
}

// addressOf reads the keys of an onion, or makes them; those of a scene that is foreseen
// have a stand-in.
func addressOf(s feature.Scene, name string) (string, error) {
	path := router.KeysFile(s.Paths.I2PKeys(), name)
	keys, err := router.ReadKeys(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.Foreseen:
		return feature.ToBeMade, nil
	case errors.Is(err, fs.ErrNotExist):
		keys = router.NewKeys()
		err = durable.Write(path, keys, 0o600)
	}
	if err == nil && !s.Foreseen {
		err = own(s, path)
	}
	if err != nil {
		return "", fmt.Errorf("the keys for I2P: %w", err)
	}
	return keys.Address(), nil
}

// own gives i2pd a file of keys, which nobody else may read. A restored backup has other
// owners.
func own(s feature.Scene, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return errors.Join(os.Lchown(path, int(s.I2P.UID), int(s.I2P.GID)), os.Chmod(path, 0o600))
}

// publish wants a listener for each port that is published, and returns i2pd's way there.
func publish(s feature.Scene, d *feature.Desired, list []published) (tunnels []router.Tunnel) {
	taken := make(map[netip.Addr]bool)
	for _, p := range list {
		i := slices.IndexFunc(d.Serve.Fronts, func(f link.Front) bool { return f.Onion == p.onion })
		if i < 0 {
			continue
		}
		f := &d.Serve.Fronts[i]
		f.I2P = &link.I2PFront{Host: p.address}
		for _, port := range f.Ports {
			at := place(p.onion, port.Virtual, taken)
			name := fmt.Sprintf("i2p/%s/%d", p.onion, port.Virtual)
			d.Listeners = append(d.Listeners, supervise.ListenerSpec{Name: name, Network: "tcp4", Addr: at, Port: config.FrontI2PPort})
			d.May(s.I2P, rules.Way{Protocol: rules.ProtocolTCP, To: at, Port: config.FrontI2PPort})
			f.I2P.Ports = append(f.I2P.Ports, link.I2PPort{Virtual: port.Virtual, Listener: name})
			tunnels = append(tunnels, router.Tunnel{Onion: p.onion, Port: port.Virtual, To: netip.AddrPortFrom(at, config.FrontI2PPort)})
		}
	}
	return tunnels
}

// place is an address in 127.64.0.0/10 for a port of an onion. It is the same whatever else
// is published: i2pd, told to read its tunnels again, does not look where those lead that it
// has.
func place(onion string, port uint16, taken map[netip.Addr]bool) netip.Addr {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", onion, port))
	a := netip.AddrFrom4([4]byte{127, 64 | sum[0]&0x3f, sum[1], 1 + sum[2]%254})
	for taken[a] {
		a = a.Next()
	}
	taken[a] = true
	return a
}
