package socks

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/things-go/go-socks5/statute"
)

// Connect asks a SOCKS 5 server that is not tor, and wants no login, for a connection to a
// name (RFC 1928). c is the connection to the server, of which it has taken not a byte
// beyond the reply; the caller closes it.
func Connect(ctx context.Context, c net.Conn, host string, port uint16) error {
	if !dialable(host) {
		return errNoName
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	err := connect(c, destination{host: host, port: port})
	if !stop() && err == nil {
		err = ctx.Err() // it ended between the reply and here
	}
	if err != nil {
		return fmt.Errorf("connecting by a SOCKS server: %w", err)
	}
	return nil
}

func connect(c net.Conn, to destination) error {
	if _, err := c.Write([]byte{statute.VersionSocks5, 1, statute.MethodNoAuth}); err != nil {
		return err
	}
	if err := expect(c, statute.VersionSocks5, statute.MethodNoAuth); err != nil {
		return err
	}
	if _, err := c.Write(to.bytes(statute.CommandConnect)); err != nil {
		return err
	}
	_, err := readReply(c)
	return err
}
