package socks

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"

	"tunic/internal/bench"
)

// proxyKey, in the environment of this test binary, has it serve a proxy alone: its value
// is the path of tor's socket.
const proxyKey = "TUNIC_TT_PROXY"

func TestMain(m *testing.M) {
	if tor := os.Getenv(proxyKey); tor != "" {
		if err := proxyAlone(tor); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// proxyAlone serves until its standard input ends.
func proxyAlone(tor string) error {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx := bench.UntilInputEnds()
	s, err := New(Options{
		Log: slog.New(slog.DiscardHandler), Home: house{}, MaxConns: 20_000, MaxPerDevice: 20_000,
		DialTor: func(ctx context.Context) (*net.UnixConn, error) { return dialSocket(ctx, tor) },
	})
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return s.Serve(ctx, ln)
}

// dialSocket connects to tor's SocksPort at the path of a unix socket.
func dialSocket(ctx context.Context, path string) (*net.UnixConn, error) {
	return new(net.Dialer).DialUnix(ctx, "unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
}

// startProxy starts a process that does nothing but serve a proxy; it says its address.
func startProxy(t testing.TB, tor string) *bench.Child {
	t.Helper()
	return bench.StartChild(t, proxyKey+"="+tor)
}
