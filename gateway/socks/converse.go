package socks

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/things-go/go-socks5/statute"
)

// conversation is one device's connection with the proxy.
type conversation struct {
	*Server
	ctx    context.Context
	client *net.TCPConn
	device netip.Addr
	bridge bool // the request was good and is in our hands

	upstream *net.UnixConn // where it leads, when there is a stream
	early    []byte        // what the device sent behind its request
}

// readers are for handshakes; a request has at most 262 bytes.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 1024) }}

// converse runs the SOCKS5 protocol on c. Its errors may name the destination,
// so they are counted and not kept.
func (s *Server) converse(ctx context.Context, c *net.TCPConn, device netip.Addr) *conversation {
	talk := &conversation{Server: s, ctx: ctx, client: c, device: device}
	in := readers.Get().(*bufio.Reader)
	in.Reset(c)
	if err := talk.run(in); err != nil && !talk.bridge {
		s.counts.refused.Add(1)
	}
	in.Reset(nil)
	readers.Put(in)
	return talk
}

var errRefused = errors.New("only CONNECT, RESOLVE and RESOLVE_PTR to the outside are served")

// run reads what the device wants, and does it.
func (t *conversation) run(in *bufio.Reader) error {
	given, err := t.authenticate(in)
	if err != nil {
		return err
	}
	req, err := statute.ParseRequest(in)
	if errors.Is(err, statute.ErrUnrecognizedAddrType) {
		t.reply(statute.RepAddrTypeNotSupported)
	}
	if err != nil {
		return err
	}
	switch req.Command {
	case statute.CommandConnect:
		return t.connect(req, given, in)
	case commandResolve, commandResolvePTR:
		return t.resolve(req, given)
	}
	t.reply(statute.RepCommandNotSupported)
	return errRefused
}

var errVersion = errors.New("not SOCKS5")

// authenticate agrees on a method and returns the credentials that the program
// gave, if any. All are accepted: they only isolate. The version is looked at
// first, as behind it SOCKS4 or HTTP would be waited for.
func (t *conversation) authenticate(in *bufio.Reader) (credentials, error) {
	if version, err := in.Peek(1); err != nil || version[0] != statute.VersionSocks5 {
		return credentials{}, errors.Join(errVersion, err)
	}
	offer, err := statute.ParseMethodRequest(in)
	switch {
	case err != nil:
		return credentials{}, err
	case slices.Contains(offer.Methods, statute.MethodUserPassAuth):
		return t.login(in)
	case slices.Contains(offer.Methods, statute.MethodNoAuth):
		_, err := t.client.Write([]byte{statute.VersionSocks5, statute.MethodNoAuth})
		return credentials{}, err
	}
	t.client.Write([]byte{statute.VersionSocks5, statute.MethodNoAcceptable})
	return credentials{}, statute.ErrNoSupportedAuth
}

// login reads a user name and a password (RFC 1929).
func (t *conversation) login(in *bufio.Reader) (credentials, error) {
	if _, err := t.client.Write([]byte{statute.VersionSocks5, statute.MethodUserPassAuth}); err != nil {
		return credentials{}, err
	}
	given, err := statute.ParseUserPassRequest(in)
	if err != nil {
		return credentials{}, err
	}
	_, err = t.client.Write([]byte{statute.UserPassAuthVersion, statute.AuthSuccess})
	return credentials{user: string(given.User), password: string(given.Pass)}, err
}

// connect answers a CONNECT request: dial through tor, reply, relay.
func (t *conversation) connect(req statute.Request, given credentials, in *bufio.Reader) error {
	to, ok := t.outside(req.DstAddr)
	if !ok || to.port == 0 {
		t.reply(statute.RepRuleFailure)
		return errRefused
	}
	t.bridge = true
	ctx, cancel := context.WithTimeout(t.ctx, t.ConnectTimeout)
	defer cancel()
	upstream, err := t.dial(ctx, to, given)
	if err != nil {
		t.counts.failed.Add(1)
		t.reply(replyCode(err))
		return err
	}
	if err := t.reply(statute.RepSuccess); err != nil {
		upstream.Close()
		return err
	}
	if early, _ := in.Peek(in.Buffered()); len(early) > 0 {
		t.early = slices.Clone(early)
	}
	t.upstream = upstream
	return nil
}

// outside is where a request leads, with an onion in place of its name in this
// house, and false if that is in the house or nowhere.
func (t *conversation) outside(a statute.AddrSpec) (destination, bool) {
	to, ok := destinationOf(a)
	if !ok {
		return to, false
	}
	if onion := t.Home.OnionName(to.host); onion != "" {
		to.host = onion
	}
	return to, !to.isHome(t.Home)
}

// reply answers the device and ends the time limit of the handshake. The bound
// address is the empty one, as from tor: ours would only confuse.
func (t *conversation) reply(code uint8) error { return t.replyWith(code, unbound) }

// replyWith is reply with an address as it stands in a reply.
func (t *conversation) replyWith(code uint8, bound []byte) error {
	t.client.SetDeadline(time.Now().Add(t.HandshakeTimeout))
	if _, err := t.client.Write(append([]byte{statute.VersionSocks5, code, 0}, bound...)); err != nil {
		return err
	}
	return t.client.SetDeadline(time.Time{})
}

// unbound is 0.0.0.0, port 0.
var unbound = []byte{statute.ATYPIPv4, 0, 0, 0, 0, 0, 0}
