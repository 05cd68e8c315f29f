package gateway

import (
	"errors"

	"tunic/gateway/ca"
	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/link"
)

// serveLeaf is the file of serve's certificate.
const serveLeaf = "serve"

// certify makes the household's certificate authority at the first start, and
// keeps serve's certificate right: for the names that the box has now, and for
// long enough.
func (a *attempt) certify() {
	now := a.certain()
	authority, err := ca.Load(a.Paths.CA(), now)
	if err == nil {
		a.authority, a.in.Authority = authority, authority.Certificate()
		a.in.Leaf, err = authority.Leaf(serveLeaf, ownNames(a.in), now)
	}
	a.uncertified(err)
}

// uncertified says why there is a certificate less. That the time is not known
// yet is nobody's mistake, and goes by.
func (a *attempt) uncertified(err error) {
	switch {
	case errors.Is(err, ca.ErrClock):
		a.find(health.ClockUntrusted, "", "%v", err)
	case err != nil:
		a.find(health.CertificateFailed, "", "%v", err)
	}
}

// ownNames are the names by which devices know the box itself, and friends'
// boxes, for which it speaks (see serve's files).
func ownNames(in Inputs) []string {
	names := []string{config.BoxName, "*" + config.PeerDomain}
	if home, ok := in.Addresses[config.HomeOnion]; ok {
		names = append(names, string(home)+config.PeerDomain, home.Host())
	}
	return names
}

// addTLS gives serve its certificate.
func addTLS(d *Desired, in Inputs) {
	if in.Leaf.Key != "" {
		d.Serve.TLS = &link.TLS{Cert: in.Leaf.Cert, Key: in.Leaf.Key}
	}
}
