package socks

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/things-go/go-socks5/statute"
	"golang.org/x/sys/unix"
)

// replyError is a SOCKS5 reply of tor's, or of another server's, other than success.
type replyError byte

func (e replyError) Error() string { return fmt.Sprintf("the reply was %#02x", byte(e)) }

// credentials are the SOCKS5 user and password that isolate streams in tor.
type credentials struct{ user, password string }

// credentialsFor returns the device's credentials: its address, and a token
// that nobody outside this process can know. What the program itself gave is
// mixed into the token, so that it isolates within the device and never
// matches another device's.
func (s *Server) credentialsFor(device netip.Addr, given credentials) credentials {
	var identity [8]byte
	if s.Identity != nil {
		binary.BigEndian.PutUint64(identity[:], s.Identity(device))
	}
	return s.credentials(device.String(), given.user, given.password, string(identity[:]))
}

// credentials are those of a user and of the parts that set apart within that user.
func (s *Server) credentials(user string, parts ...string) credentials {
	mac := hmac.New(sha256.New, s.secret[:])
	for _, part := range append([]string{user}, parts...) {
		binary.Write(mac, binary.BigEndian, uint32(len(part))) // a hash takes everything
		io.WriteString(mac, part)
	}
	return credentials{user: user, password: hex.EncodeToString(mac.Sum(nil)[:16])}
}

// fullLine is how long who finds the line at tor's socket full waits before they look again.
const fullLine = 20 * time.Millisecond

// reachTor connects to tor. While so many connections wait there that the kernel takes no more, it waits
// too, until ctx ends: for a port of TCP the kernel does that itself, a unix socket refuses at once (EAGAIN).
func (s *Server) reachTor(ctx context.Context) (*net.UnixConn, error) {
	for {
		c, err := s.DialTor(ctx)
		if !errors.Is(err, unix.EAGAIN) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(fullLine):
		}
	}
}

// dial asks tor for a stream to the destination. The connection is bare and
// has no deadline any more.
func (t *conversation) dial(ctx context.Context, to destination, given credentials) (*net.UnixConn, error) {
	return t.dialAs(ctx, t.credentialsFor(t.device, given), to)
}

// dialAs asks tor for a stream under these credentials.
func (s *Server) dialAs(ctx context.Context, as credentials, to destination) (*net.UnixConn, error) {
	c, _, err := s.ask(ctx, as, statute.CommandConnect, to)
	return c, err
}

// ask makes a request of tor under these credentials, and returns the
// connection and the address in tor's reply, as readReply does.
func (s *Server) ask(ctx context.Context, as credentials, command byte, to destination) (*net.UnixConn, []byte, error) {
	c, err := s.reachTor(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("reaching tor: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	bound, err := request(c, as, command, to)
	if !stop() && err == nil {
		err = ctx.Err() // it ended between the reply and here
	}
	if err != nil {
		c.Close()
		return nil, nil, fmt.Errorf("connecting through tor: %w", err)
	}
	return c, bound, nil
}

// request speaks the client's side of RFC 1928 and RFC 1929 and reads not a
// byte beyond the reply. Login and request go together, which saves a turn; before them
// the method has to be agreed on, as tor (0.4.9) swallows its answer to a greeting behind
// which more has come.
func request(c io.ReadWriter, as credentials, command byte, to destination) ([]byte, error) {
	if _, err := c.Write([]byte{statute.VersionSocks5, 1, statute.MethodUserPassAuth}); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	if err := expect(c, statute.VersionSocks5, statute.MethodUserPassAuth); err != nil {
		return nil, fmt.Errorf("agreeing on a method: %w", err)
	}
	if _, err := c.Write(append(as.bytes(), to.bytes(command)...)); err != nil {
		return nil, fmt.Errorf("sending credentials and the request: %w", err)
	}
	if err := expect(c, statute.UserPassAuthVersion, statute.AuthSuccess); err != nil {
		return nil, fmt.Errorf("giving credentials: %w", err)
	}
	return readReply(c)
}

// expect wants just these two bytes.
func expect(r io.Reader, version, status byte) error {
	var got [2]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return err
	}
	if got != [2]byte{version, status} {
		return fmt.Errorf("unexpected answer % x", got)
	}
	return nil
}

// bytes is a login (RFC 1929, section 2).
func (c credentials) bytes() []byte {
	b := append([]byte{statute.UserPassAuthVersion, byte(len(c.user))}, c.user...)
	return append(append(b, byte(len(c.password))), c.password...)
}

// bytes is a request (RFC 1928, section 4).
func (d destination) bytes(command byte) []byte {
	b := []byte{statute.VersionSocks5, command, 0}
	switch {
	case d.addr.Is4():
		b = append(append(b, statute.ATYPIPv4), d.addr.AsSlice()...)
	case d.addr.IsValid():
		b = append(append(b, statute.ATYPIPv6), d.addr.AsSlice()...)
	default:
		b = append(append(b, statute.ATYPDomain, byte(len(d.host))), d.host...)
	}
	return binary.BigEndian.AppendUint16(b, d.port)
}

// readReply reads a reply by its address type: tor's is 10 bytes long on an
// IPv4 SocksPort and 22 on others. It returns the address as it stands there:
// type, address and port. It is of use for RESOLVE alone.
func readReply(r io.Reader) ([]byte, error) {
	var head [5]byte // version, reply, reserved, address type, first byte of the address
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("reading the reply: %w", err)
	}
	if head[0] != statute.VersionSocks5 {
		return nil, fmt.Errorf("reading the reply: version %d", head[0])
	}
	if head[1] != statute.RepSuccess {
		return nil, replyError(head[1])
	}
	rest := 2 // the port
	switch head[3] {
	case statute.ATYPIPv4:
		rest += net.IPv4len - 1
	case statute.ATYPIPv6:
		rest += net.IPv6len - 1
	case statute.ATYPDomain:
		rest += int(head[4])
	default:
		return nil, fmt.Errorf("reading the reply: address type %d", head[3])
	}
	bound := append(head[3:5:5], make([]byte, rest)...)
	if _, err := io.ReadFull(r, bound[2:]); err != nil {
		return nil, fmt.Errorf("reading the reply: %w", err)
	}
	return bound, nil
}

// replyCode is what the device is told of a failure. tor's codes are passed
// on; its extended ones (proposal 304), which few programs know, become the
// nearest of RFC 1928.
func replyCode(err error) uint8 {
	var reply replyError
	switch {
	case errors.As(err, &reply):
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return statute.RepTTLExpired
	default:
		return statute.RepServerFailure // tor is away: it is no fault of the destination
	}
	switch reply {
	case 0xF4, 0xF5: // the onion wants client authorization: missing, wrong
		return statute.RepRuleFailure
	case 0xF7: // no introduction point answered in time
		return statute.RepTTLExpired
	case 0xF0, 0xF1, 0xF2, 0xF3, 0xF6: // no descriptor, invalid one, no introduction, no rendezvous, bad address
		return statute.RepHostUnreachable
	}
	if byte(reply) > statute.RepAddrTypeNotSupported {
		return statute.RepServerFailure
	}
	return byte(reply)
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
