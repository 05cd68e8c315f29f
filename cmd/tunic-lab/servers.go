package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tunic/internal/lab"
	"tunic/internal/lab/internet"
)

// internetCommand runs the servers of the lab's internet. The lab starts it
// on the internet node.
func internetCommand() *cobra.Command {
	queries, certificate := "", ""
	cmd := &cobra.Command{
		Use:    "internet",
		Short:  "Run the servers of the lab's internet",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := os.OpenFile(queries, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err != nil {
				return fmt.Errorf("opening the log of questions: %w", err)
			}
			defer log.Close()
			s := newServers(cmd.Context())
			addrs := lab.InternetListeners()
			dns := internet.NewDNS(lab.Names(), log)
			for _, a := range addrs.Web {
				s.tcp(a.String(), func(ctx context.Context, ln net.Listener) error {
					return internet.ServeWeb(ctx, ln, internet.Web("the lab's web"))
				})
			}
			for _, a := range addrs.DNS {
				s.udp(a, dns.ServeUDP)
				s.tcp(a.String(), dns.ServeTCP)
			}
			for _, a := range addrs.Echo {
				s.udp(a, internet.ServeEcho)
			}
			if err := serveTLS(s, dns, addrs.TLS, certificate); err != nil {
				return err
			}
			return s.run(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&certificate, "certificate", "", "file for the certificate of the DNS over TLS server")
	cmd.Flags().StringVar(&queries, "queries", "", "file to which the DNS server writes its questions")
	return cmd
}

// serveTLS serves DNS over TLS with a new certificate, and writes that down
// for those who are to trust it.
func serveTLS(s *servers, d *internet.DNS, at []netip.AddrPort, file string) error {
	var addrs []netip.Addr
	for _, a := range at {
		addrs = append(addrs, a.Addr())
	}
	cert, err := internet.NewCertificate(addrs)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, cert.PEM, 0o644); err != nil {
		return fmt.Errorf("writing the certificate: %w", err)
	}
	for _, a := range at {
		s.tcp(a.String(), func(ctx context.Context, ln net.Listener) error { return d.ServeTLS(ctx, ln, cert) })
	}
	return nil
}

// nasCommand runs the servers of the nas, to be published by its gateway.
func nasCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "nas",
		Short:  "Run the servers of the lab's nas",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := newServers(cmd.Context())
			s.tcp(fmt.Sprintf(":%d", lab.NASPort), func(ctx context.Context, ln net.Listener) error {
				return internet.ServeWeb(ctx, ln, internet.Web("the nas"))
			})
			s.tcp(fmt.Sprintf(":%d", lab.NASEchoPort), internet.ServeTCPEcho)
			return s.run(cmd.OutOrStdout())
		},
	}
}

// servers opens listeners at once and serves on them until one fails.
type servers struct {
	ctx   context.Context
	group *errgroup.Group
	err   error // of the first listener that could not be opened
	close []io.Closer
}

func newServers(ctx context.Context) *servers {
	group, ctx := errgroup.WithContext(ctx)
	return &servers{ctx: ctx, group: group}
}

func (s *servers) tcp(addr string, serve func(context.Context, net.Listener) error) {
	if s.err != nil {
		return
	}
	var ln net.Listener
	if ln, s.err = net.Listen("tcp", addr); s.err == nil {
		s.close = append(s.close, ln)
		s.group.Go(func() error { return serve(s.ctx, ln) })
	}
}

func (s *servers) udp(addr netip.AddrPort, serve func(context.Context, net.PacketConn) error) {
	if s.err != nil {
		return
	}
	var pc net.PacketConn
	if pc, s.err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr)); s.err == nil {
		s.close = append(s.close, pc)
		s.group.Go(func() error { return serve(s.ctx, pc) })
	}
}

// run says that everything listens, which the lab waits for.
func (s *servers) run(out io.Writer) error {
	if s.err != nil {
		for _, c := range s.close {
			_ = c.Close()
		}
		return fmt.Errorf("listening: %w", s.err)
	}
	fmt.Fprintln(out, "ready")
	return s.group.Wait()
}
