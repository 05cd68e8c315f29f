package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Errors of real connections come out in words.
func TestReasons(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone") // of TCP, qemu-user gives the numbers of errors of its own machine
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: gone, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	past, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	dial := func(ctx context.Context, network, address string) error {
		_, err := new(net.Dialer).DialContext(ctx, network, address)
		return fmt.Errorf("connecting: %w", err)
	}
	for want, err := range map[string]error{
		"connection refused: nothing listens there": dial(t.Context(), "unix", gone),
		"there is no such socket":                   dial(t.Context(), "unix", filepath.Join(t.TempDir(), "s")),
		"no answer":                                 dial(past, "unix", gone),
		"another word":                              errors.New("another word"),
	} {
		if got := Reason(err); !strings.HasPrefix(got, want) || strings.Contains(got, gone) || strings.Contains(got, "dial") {
			t.Errorf("%v is %q, not %q", err, got, want)
		}
	}
}
