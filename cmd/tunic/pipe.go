package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/anchor"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/onion"
	"tunic/gateway/socks"
	"tunic/gateway/tor"
)

func pipeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "pipe FRIEND SERVICE",
		Short: "Connect standard input and output to a service of a friend",
		Long: `Pipe uses a service that a friend's box offers this one (` + "`tunic services`" + ` lists them).
What comes from standard input goes to the service, and its end too; what the service
says goes to standard output. Both boxes prove who they are first. It needs root, for
the key by which this box is known, and a daemon that is connected to Tor. Devices of
the household need no verb: see docs/services.md.

The exit status is 0 if the service has said all and ended as it should, and 1 if
it was not reached, refused, or failed.`,
		Example: `  tunic pipe alice uptime
  tar c photos | tunic pipe alice backup
  socat TCP-LISTEN:9100,bind=127.0.0.1,fork EXEC:'tunic pipe alice printer'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.pipe(cmd.Context(), args[0], args[1]) },
	}
}

// pipeLimit bounds the way to a friend's service.
const pipeLimit = 90 * time.Second

func (a *app) pipe(ctx context.Context, friend, service string) error {
	caller, err := a.callerOf(ctx, friend)
	if err != nil {
		return err
	}
	c, err := caller.call(ctx, service)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.NetConn().Close() })()
	go func() { // it may wait for a terminal for ever
		if _, err := io.Copy(c, a.in); err == nil {
			_ = c.CloseWrite()
		}
	}()
	if _, err := io.Copy(a.out, c); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return &failure{exitFailed, fmt.Errorf("the service %s of %s has failed, or the connection broke", service, friend), ""}
		}
		return fmt.Errorf("using the service %s of %s: %w", service, friend, err)
	}
	return nil
}

// caller calls the box of a friend.
type caller struct {
	friend   string
	address  onion.Address
	own      tls.Certificate
	torSOCKS string // the socket of the daemon's tor
}

// callerOf prepares to call a friend's box, which takes the daemon's tor.
func (a *app) callerOf(ctx context.Context, friend string) (c caller, err error) {
	c.friend, c.torSOCKS = friend, a.paths().TorSOCKS()
	if c.address, err = a.friendsHome(ctx, friend); err != nil {
		return c, err
	}
	if c.own, err = a.ownLeaf(); err != nil {
		return c, err
	}
	if _, err := a.client().Status(ctx); errors.Is(err, api.ErrNotRunning) {
		return c, err
	}
	return c, nil
}

// call connects to a service of the friend's box.
func (f caller) call(ctx context.Context, service string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, pipeLimit)
	defer cancel()
	raw, err := dialOnion(ctx, f.torSOCKS, f.address.Host(), config.MuxPort)
	if err != nil {
		return nil, &failure{exitFailed, fmt.Errorf("reaching %s's box: %s", f.friend, socks.Reason(err)),
			"`tunic friends` says when it was seen last; a friend who offers you nothing has nothing there"}
	}
	defer context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })()
	c, err := mux.Call(ctx, raw, f.own, f.address, time.Now)
	if err == nil {
		err = mux.Ask(c, service)
	}
	if err == nil {
		return c, nil
	}
	raw.Close()
	if errors.Is(err, mux.ErrRefused) {
		return nil, &failure{exitFailed, fmt.Errorf("%s's box: %w", f.friend, err), "`tunic services` lists what it offers you"}
	}
	return nil, fmt.Errorf("asking %s's box for %s: %w", f.friend, service, err)
}

// friendsHome is the home onion of a friend.
func (a *app) friendsHome(ctx context.Context, name string) (onion.Address, error) {
	c, err := config.Load(a.paths())
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(c.Peers, func(p config.Peer) bool { return p.Name == name })
	if i < 0 {
		return "", a.noFriend(ctx, name)
	}
	return onion.Parse(c.Peers[i].Onion)
}

// noFriend says that a name is no friend's, or how far the invitation for it is.
func (a *app) noFriend(ctx context.Context, name string) error {
	list, _ := a.client().Peers(ctx) // without a daemon nobody knows of invitations
	i := slices.IndexFunc(list, func(p api.Peer) bool { return p.Name == name && p.State != api.PeerFriend })
	if i < 0 {
		return usageError("`tunic friends` lists them", "no friend is called %q", name)
	}
	return usageError("`tunic friends` shows the progress", "%s is no friend yet: %s", name, list[i].Text)
}

// ownLeaf makes a certificate by which friends know this box.
func (a *app) ownLeaf() (tls.Certificate, error) {
	id, err := readKeys(a.paths(), config.HomeOnion)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := anchor.Issue(id.Address, func(message []byte) ([]byte, error) { return tor.Sign(id.Secret, message) }, time.Now())
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair([]byte(leaf.Cert), []byte(leaf.Key))
}

// dialOnion connects by the daemon's tor, on circuits that nothing else uses.
func dialOnion(ctx context.Context, torSOCKS, host string, port uint16) (net.Conn, error) {
	s, err := socks.New(socks.Options{Log: slog.New(slog.DiscardHandler), Home: struct{ socks.Household }{},
		DialTor: func(ctx context.Context) (*net.UnixConn, error) {
			return new(net.Dialer).DialUnix(ctx, "unix", nil, &net.UnixAddr{Name: torSOCKS, Net: "unix"})
		}})
	if err != nil {
		return nil, err
	}
	return s.DialOnion(ctx, "pipe", host, port)
}

// offeredNames are the services of all friends.
func offeredNames(ctx context.Context, a *app) []string { return serviceNamesBy(ctx, a, true) }

// ownServiceNames are those of this house.
func ownServiceNames(ctx context.Context, a *app) []string { return serviceNamesBy(ctx, a, false) }

func serviceNamesBy(ctx context.Context, a *app, others bool) (names []string) {
	list, _ := a.client().Services(ctx) // without a daemon there are none to choose from
	for _, s := range list {
		if (s.By != "") == others {
			names = append(names, s.Name)
		}
	}
	return names
}
