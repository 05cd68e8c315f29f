package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"tunic/gateway/automap"
	"tunic/gateway/endpoint"
	"tunic/gateway/link"
	"tunic/gateway/socks"
)

// i2pCall bounds the way to a host of I2P, whose tunnels may have to be built first.
const i2pCall = 90 * time.Second

// i2p leads devices to names of I2P: a name has an address here, and who dials that is
// brought to the name.
type i2p struct {
	names  automap.Table
	server func(context.Context) (net.Conn, error)
}

// Name implements endpoint.Endpoint.
func (*i2p) Name() string { return "i2p" }

// ServeConn implements endpoint.Endpoint.
func (i *i2p) ServeConn(ctx context.Context, c net.Conn, _ endpoint.Visitor) error {
	return i.lead(ctx, c, dialledAt(c))
}

// lead brings a connection to the name that an address stands for.
func (i *i2p) lead(ctx context.Context, c net.Conn, to netip.AddrPort) error {
	name, ok := i.names.Name(to.Addr())
	if !ok {
		return errors.New("the address stands for no name of I2P, or not any more")
	}
	server, err := i.call(ctx, name, to.Port())
	if err != nil {
		return err
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { server.Close() })()
	return join(c, server)
}

// call connects to a name.
func (i *i2p) call(ctx context.Context, name string, port uint16) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, i2pCall)
	defer cancel()
	c, err := i.server(ctx)
	if err != nil {
		return nil, fmt.Errorf("reaching i2pd: %w", err)
	}
	if err := socks.Connect(ctx, c, name, port); err != nil {
		c.Close()
		return nil, err // it names nobody
	}
	return c, nil
}

// i2p serves the household's way to I2P.
func (a *application) i2p(want *link.I2P, within netip.Prefix) {
	if want == nil {
		within = netip.Prefix{}
	}
	a.beside.names.Set(within)
	if want == nil {
		return
	}
	for _, name := range want.Listeners {
		a.run(name, "i2p", func(ctx context.Context, f *os.File) error {
			ln, err := a.listen(f)
			if err != nil {
				return err
			}
			return endpoint.Serve(ctx, ln, a.beside, a.services.limits.of("i2p"), func(c net.Conn) endpoint.Visitor {
				return a.visitor(c, dialledAt(c).Port())
			}, a.log)
		})
	}
}

// newI2P gives the way to i2pd, which is on loopback.
func newI2P(to netip.AddrPort) *i2p {
	return &i2p{server: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp4", to.String())
	}}
}
