package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"tunic/gateway/config"
	"tunic/gateway/endpoint"
	"tunic/gateway/link"
)

// files leads devices to what friends' boxes share. A friend's box has a
// certificate of its own house, which nobody here trusts; so TLS for one of its
// names ends here, with a certificate of this house, and begins again towards its
// onion, which is proved by its key. What is for no such name passes
// through unread.
type files struct{ *Server }

// Name implements endpoint.Endpoint.
func (files) Name() string { return "files" }

// ServeConn implements endpoint.Endpoint. v.Host is the virtual address that the
// device has dialled.
func (f files) ServeConn(ctx context.Context, c net.Conn, v endpoint.Visitor) error {
	device := remote(c)
	name, client, err := overhear(c)
	if err != nil {
		return err
	}
	dialCtx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	host := f.ownCertificateFor(name)
	var server net.Conn
	if host != "" {
		server, err = f.socks.DialName(dialCtx, device, host, v.Port)
	} else {
		var to netip.Addr
		if to, err = netip.ParseAddr(v.Host); err == nil {
			server, err = f.socks.Dial(dialCtx, device, netip.AddrPortFrom(to, v.Port))
		}
	}
	if err != nil {
		return err
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if host == "" {
		return join(client, server)
	}
	inside, err := shakeHands(ctx, client, f.tlsConfig())
	if err != nil {
		return err
	}
	onion := tls.Client(server, &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) // the onion's key is the proof
	if onion.HandshakeContext(dialCtx) != nil {
		return errors.New("no TLS came about with the onion")
	}
	return join(inside, onion)
}

// ownCertificateFor returns the onion, "KEY.onion", that a name stands for, if
// the certificate of this house covers the name.
func (f files) ownCertificateFor(name string) string {
	cert := f.cert.Load()
	if cert == nil || cert.Leaf == nil || cert.Leaf.VerifyHostname(name) != nil {
		return ""
	}
	return f.resolver.OnionName(name)
}

// errHeard ends a handshake of which only the beginning matters.
var errHeard = errors.New("heard enough")

// overhear returns the host name with which a TLS client begins (RFC 6066,
// section 3), "" if it names none or speaks something else, and the connection
// as if nothing had been read of it.
func overhear(c net.Conn) (name string, whole net.Conn, err error) {
	l := &overheard{Conn: c}
	if err := c.SetReadDeadline(time.Now().Add(handshakeTime)); err != nil {
		return "", nil, err
	}
	tls.Server(l, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return nil, errHeard
	}}).Handshake() // fails in any case
	if l.said.Len() == 0 {
		return "", nil, errors.New("the device said nothing")
	}
	return name, &replayed{Conn: c, r: io.MultiReader(&l.said, c)}, c.SetReadDeadline(time.Time{})
}

// overheard keeps what is read, and sends nothing.
type overheard struct {
	net.Conn
	said bytes.Buffer
}

func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.said.Write(p[:n])
	return n, err
}

func (o *overheard) Write(p []byte) (int, error) { return len(p), nil }

// replayed is a connection of which some was read before.
type replayed struct {
	net.Conn
	r io.Reader
}

func (r *replayed) Read(p []byte) (int, error) { return r.r.Read(p) }

// CloseWrite ends the sending direction.
func (r *replayed) CloseWrite() error { return closeWrite(r.Conn) }

// originalDst is SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST of netfilter
// (linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h).
const originalDst = 80

// dialled returns the address that a device dialled before a rule redirected it
// to us, "" if it was not redirected.
func dialled(c net.Conn) string {
	if to := dialledAt(c); to.IsValid() {
		return to.Addr().String()
	}
	return ""
}

// dialledAt is dialled with the port; the zero AddrPort: it is not known.
func dialledAt(c net.Conn) (to netip.AddrPort) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return to
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return to
	}
	err = raw.Control(func(fd uintptr) {
		if remote(c).Is4() { // the answer is a sockaddr_in, as long as a group of IPv6
			if in, err := syscall.GetsockoptIPv6Mreq(int(fd), syscall.IPPROTO_IP, originalDst); err == nil {
				to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(in.Multiaddr[4:8])), binary.BigEndian.Uint16(in.Multiaddr[2:4]))
			}
			return
		}
		if in, err := syscall.GetsockoptIPv6MTUInfo(int(fd), syscall.IPPROTO_IPV6, originalDst); err == nil {
			var port [2]byte
			binary.NativeEndian.PutUint16(port[:], in.Addr.Port) // as the network has it
			to = netip.AddrPortFrom(netip.AddrFrom16(in.Addr.Addr), binary.BigEndian.Uint16(port[:]))
		}
	})
	if err != nil {
		return netip.AddrPort{}
	}
	return to
}

// files serves what friends share.
func (a *application) files(want *link.Files) {
	if want == nil {
		return
	}
	for _, name := range want.Listeners {
		a.run(name, "files", func(ctx context.Context, f *os.File) error {
			ln, err := a.listen(f)
			if err != nil {
				return err
			}
			return endpoint.Serve(ctx, ln, files{a.Server}, a.waiting.of("files"), func(c net.Conn) endpoint.Visitor {
				return endpoint.Visitor{Host: dialled(c), Port: config.FilesPort, ID: string(a.Devices.OfConn(c.RemoteAddr()))}
			}, a.log)
		})
	}
}
