package onion

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunic/internal/bench"
)

// frontKey, in the environment of this test binary, has it serve a front alone:
// "SOCKET TARGET", where TARGET is HOST:PORT.
const frontKey = "TUNIC_TT_FRONT"

func TestMain(m *testing.M) {
	if words := strings.Fields(os.Getenv(frontKey)); len(words) == 2 {
		if err := frontAlone(words[0], words[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// frontAlone serves until its standard input ends.
func frontAlone(socket, target string) error {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		return err
	}
	ctx := bench.UntilInputEnds()
	f := &Front{TorUID: me(), Limits: NewShare(10_000, 10_000), Log: slog.New(slog.DiscardHandler)}
	f.SetRoutes(ctx, map[uint16]Route{80: {"a", Relay{Dial: dialTo(target)}}})
	fmt.Println(socket)
	return f.Serve(ctx, ln)
}

// startFront starts a process that does nothing but serve a front; it says its socket.
func startFront(t testing.TB, target string) *bench.Child {
	t.Helper()
	dir, err := os.MkdirTemp("", "front")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return bench.StartChild(t, frontKey+"="+filepath.Join(dir, "s")+" "+target)
}
