package onion_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"tunic/gateway/onion"
)

// greeter is where a port of an onion leads. Most lead to an onion.Relay.
type greeter struct{}

func (greeter) ServeStream(_ context.Context, c *net.UnixConn, s onion.Stream) error {
	_, err := fmt.Fprintf(c, "circuit %d is at port %d\n", s.Circuit, s.Port)
	return err
}

// An onion has its keys, and so its address, before tor runs, and a front at the
// socket where tor brings its visitors.
func Example() {
	dir, err := os.MkdirTemp("", "onion")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	address, err := onion.EnsureKeys(filepath.Join(dir, "photos"), os.Getuid(), os.Getgid())
	fmt.Println(len(address.Host()), err)

	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "front")})
	if err != nil {
		fmt.Println(err)
		return
	}
	front := &onion.Front{TorUID: uint32(os.Getuid()), Limits: onion.NewShare(8, 64), Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(context.Background())
	front.SetRoutes(ctx, map[uint16]onion.Route{80: {Key: "greeter", Handler: greeter{}}})
	done := make(chan error)
	go func() { done <- front.Serve(ctx, socket) }()

	visit(filepath.Join(dir, "front"))
	stop()
	fmt.Println(<-done, front.Counts().Streams)
	// Output:
	// 62 <nil>
	// circuit 282 is at port 80
	// <nil> 1
}

// visit does what tor does for a visitor: it names the circuit and the port in the
// first line (HiddenServiceExportCircuitID, tor(1)), and passes on the rest.
func visit(front string) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: front})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	io.WriteString(c, "PROXY TCP6 fc00:dead:beef:4dad::0:11a ::1 282 80\r\n")
	answer, err := io.ReadAll(c)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Print(string(answer))
}
