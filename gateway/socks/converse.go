package socks

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	socks5 "github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"
)

// conversation is one device's connection while go-socks5 reads its wishes.
type conversation struct {
	*Server
	ctx    context.Context
	client *net.TCPConn
	device netip.Addr
	bridge bool // the request was good and is in our hands
}

// converse runs the SOCKS5 protocol on c. The errors of go-socks5 name the
// destination, so they are counted and not kept.
func (s *Server) converse(ctx context.Context, c *net.TCPConn, device netip.Addr) {
	talk := &conversation{Server: s, ctx: ctx, client: c, device: device}
	hello, err := greet(c)
	if err != nil {
		s.counts.refused.Add(1)
		return
	}
	err = socks5.NewServer(
		socks5.WithResolver(noResolver{}),
		socks5.WithRule(&socks5.PermitCommand{EnableConnect: true}),
		socks5.WithAuthMethods([]socks5.Authenticator{
			socks5.UserPassAuthenticator{Credentials: anyone{}},
			socks5.NoAuthAuthenticator{},
		}),
		socks5.WithConnectHandle(talk.connect),
		// Never reached; without it an ASSOCIATE that passed the rule would
		// send datagrams around Tor.
		socks5.WithDial(refuseDial),
		socks5.WithAssociateHandle(refuseCommand),
		socks5.WithBindHandle(refuseCommand),
	).ServeConn(hello)
	if err != nil && !talk.bridge {
		s.counts.refused.Add(1)
	}
}

var errVersion = errors.New("not SOCKS5")

// greet reads the version and refuses others than 5. go-socks5 looks at it
// only behind the list of methods, for which SOCKS4 or HTTP would let it wait.
func greet(c *net.TCPConn) (net.Conn, error) {
	var version [1]byte
	if _, err := io.ReadFull(c, version[:]); err != nil {
		return nil, err
	}
	if version[0] != statute.VersionSocks5 {
		return nil, errVersion
	}
	return &greeted{TCPConn: c, unread: version[:]}, nil
}

// greeted is a connection with bytes put back. Only the handshake reads from
// it: relaying needs the bare socket.
type greeted struct {
	*net.TCPConn
	unread []byte
}

func (g *greeted) Read(p []byte) (int, error) {
	if len(g.unread) == 0 {
		return g.TCPConn.Read(p)
	}
	n := copy(p, g.unread)
	g.unread = g.unread[n:]
	return n, nil
}

// noResolver leaves names to tor. The default would ask the box's own DNS.
type noResolver struct{}

func (noResolver) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// anyone accepts all credentials: they only isolate.
type anyone struct{}

func (anyone) Valid(_, _, _ string) bool { return true }

var errRefused = errors.New("only CONNECT is served")

func refuseDial(context.Context, string, string) (net.Conn, error) { return nil, errRefused }

func refuseCommand(_ context.Context, w io.Writer, _ *socks5.Request) error {
	if err := socks5.SendReply(w, statute.RepCommandNotSupported, nil); err != nil {
		return err
	}
	return errRefused
}

// connect answers a CONNECT request: dial through tor, reply, relay.
func (t *conversation) connect(_ context.Context, _ io.Writer, req *socks5.Request) error {
	to, ok := destinationOf(req.DstAddr)
	if onion := t.Home.OnionName(to.host); ok && onion != "" {
		to.host = onion
	}
	if !ok || to.isHome(t.Home) {
		t.reply(statute.RepRuleFailure)
		return errRefused
	}
	t.bridge = true
	ctx, cancel := context.WithTimeout(t.ctx, t.ConnectTimeout)
	defer cancel()
	upstream, err := t.dial(ctx, to, req.AuthContext.Payload)
	if err != nil {
		t.counts.failed.Add(1)
		t.reply(replyCode(err))
		return err
	}
	defer upstream.Close()
	if err := t.reply(statute.RepSuccess); err != nil {
		return err
	}
	return t.relay(upstream, req.Reader)
}

// reply answers the device and ends the time limit of the handshake. The bound
// address is the empty one, as from tor: ours would only confuse.
func (t *conversation) reply(code uint8) error {
	t.client.SetDeadline(time.Now().Add(t.HandshakeTimeout))
	if err := socks5.SendReply(t.client, code, &net.TCPAddr{IP: net.IPv4zero}); err != nil {
		return err
	}
	return t.client.SetDeadline(time.Time{})
}

// relay copies both ways until both ends are done or one fails.
func (t *conversation) relay(upstream *net.TCPConn, early io.Reader) error {
	stop := context.AfterFunc(t.ctx, func() { upstream.Close() })
	defer stop()
	// What the device sent behind its request lies in go-socks5's buffer.
	var first []byte
	if b, ok := early.(*bufio.Reader); ok {
		first, _ = b.Peek(b.Buffered())
	}
	down := make(chan error, 1)
	go func() {
		defer close(down)
		defer t.recover()
		n, err := pipe(t.client, upstream)
		t.counts.down.Add(uint64(n))
		down <- abort(err, t.client, upstream)
	}()
	n, err := sendUp(upstream, t.client, first)
	t.counts.up.Add(uint64(n))
	return errors.Join(abort(err, t.client, upstream), <-down)
}

// sendUp sends the early bytes and then all that comes from the device.
func sendUp(upstream, client *net.TCPConn, early []byte) (int64, error) {
	sent, err := upstream.Write(early)
	if err != nil {
		return int64(sent), err
	}
	n, err := pipe(upstream, client)
	return int64(sent) + n, err
}

// pipe copies from one bare socket to another, which the kernel does without
// our memory (splice(2)), and passes the end of the data on.
func pipe(to, from *net.TCPConn) (int64, error) {
	n, err := to.ReadFrom(from)
	if err != nil {
		return n, err
	}
	return n, to.CloseWrite()
}

// abort passes a failure on as a reset on both ends: a plain close would make
// a cut download look like a whole one.
func abort(err error, ends ...*net.TCPConn) error {
	if err == nil {
		return nil
	}
	for _, c := range ends {
		c.SetLinger(0)
		c.Close()
	}
	return err
}
