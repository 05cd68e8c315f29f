package onions

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/i2p"
	"tunic/gateway/onion"
)

// ForVisitors says what a visitor needs to know of an onion. It looks at the
// files alone, so that it can be said without a daemon too. A name without a
// file of its own has just its address.
func ForVisitors(p config.Paths, name string, address onion.Address) (api.Visit, error) {
	v := api.Visit{Name: name, Address: address.Host(), Anonymous: true, Ports: []api.VisitPort{}}
	c, err := feature.Load(p)
	if err != nil {
		return v, err
	}
	o, ok := c.Onion(name)
	if !ok {
		return v, nil
	}
	v.Published, v.Anonymous = c.Published(o), !o.Fast
	for _, port := range o.Ports {
		v.Ports = append(v.Ports, api.VisitPort{Port: port.Virtual, Visit: visitWords(v.Address, port.Virtual)})
	}
	if o.Restricted() {
		v.Private, v.Clients = true, clients(c, o)
		v.ClientLine = onion.ClientSecret("PRIVATE-KEY").Line(address)
	}
	if o.I2P {
		if v.I2P, err = addressByI2P(p, name); err != nil {
			return v, err
		}
	}
	v.Old, err = oldFor(p, name)
	return v, err
}

// addressByI2P is where an onion is by I2P, "" before it was published there.
func addressByI2P(p config.Paths, name string) (string, error) {
	keys, err := i2p.ReadKeys(i2p.KeysFile(p.I2PKeys(), name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return keys.Address(), nil
}

// oldFor lists the earlier addresses of an onion that still work.
func oldFor(p config.Paths, name string) (list []api.OldAddress, err error) {
	r := newRotations(p)
	if err := r.load(); err != nil {
		return nil, err
	}
	for _, o := range r.current() {
		_, err := os.Lstat(p.RetiredKeys(name, string(o.Address)))
		if o.Onion == name && err == nil {
			list = append(list, api.OldAddress{Address: o.Address.Host(), Until: o.Until})
		}
	}
	return list, nil
}

// visitForms are what people open or type who visit a port at which one
// service is expected.
var visitForms = map[uint16]string{
	22: "ssh USER@%s", 70: "gopher://%s/", 80: "http://%s/", 443: "https://%s/", 873: "rsync://%s/",
	5900: "vnc://%s", 6667: "irc://%s", 6697: "ircs://%s", 9418: "git clone git://%s/REPOSITORY",
}

// visitWords says how a port is visited; where nothing is known, by its address.
func visitWords(host string, port uint16) string {
	if form, ok := visitForms[port]; ok {
		return fmt.Sprintf(form, host)
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
