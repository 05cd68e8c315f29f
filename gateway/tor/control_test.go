package tor

import (
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func dialFake(t *testing.T, list ...exchange) (*fakeControl, *controller) {
	t.Helper()
	f := newFakeControl(t, list)
	c, err := dialControl(t.Context(), f.socket, "", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return f, c
}

func TestCommands(t *testing.T) {
	_, c := dialFake(t,
		exchange{"GETINFO version", "250-version=0.4.9.11\n250 OK"},
		exchange{"GETINFO net/listeners/trans", "250-net/listeners/trans=\n250 OK"},
		exchange{"SETCONF ContactInfo=100%sure", "250 OK"},
		exchange{"GETINFO nothing", `552 Unrecognized key "nothing"`},
		exchange{"GETINFO version", "650 NETWORK_LIVENESS UP\n250-version=1\n250 OK"},
		exchange{"GETINFO version", "250-other=1\n250 OK"},
	)
	if v, err := c.getInfo("version"); v != "0.4.9.11" || err != nil {
		t.Errorf("version %q, %v", v, err)
	}
	if v, err := c.getInfo("net/listeners/trans"); v != "" || err != nil {
		t.Errorf("listeners %q, %v", v, err)
	}
	if _, err := c.command("SETCONF ContactInfo=100%sure"); err != nil {
		t.Error(err)
	}
	_, err := c.getInfo("nothing")
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != 552 || refused.Text != `Unrecognized key "nothing"` {
		t.Errorf("refusal: %v", err)
	}
	if v, err := c.getInfo("version"); v != "1" || err != nil {
		t.Errorf("with an event before the answer: %q, %v", v, err)
	}
	if v, err := c.getInfo("version"); err == nil {
		t.Errorf("another key's answer was taken: %q", v)
	}
}

func TestCommandsAreOneLine(t *testing.T) {
	_, c := dialFake(t)
	for _, line := range []string{"GETINFO a\r\nSIGNAL HALT", "GETINFO a\nx", "\x00"} {
		if _, err := c.command(line); err == nil {
			t.Errorf("%q was sent", line)
		}
	}
}

func TestLoadConfIsFramed(t *testing.T) {
	f, c := dialFake(t, exchange{"+LOADCONF", "250 OK"}, exchange{"+LOADCONF", "552-first\n552 second"})
	if err := c.loadConf("A 1\n\n.dot 100%s\n.\nlast"); err != nil {
		t.Fatal(err)
	}
	want := []string{"+LOADCONF", "A 1", "", "..dot 100%s", "..", "last", "."}
	if got := f.received(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if err := c.loadConf("B 1\n"); err == nil || !strings.Contains(err.Error(), "first second") {
		t.Errorf("refusal of two lines: %v", err)
	}
}

// TestSilenceEndsTheConnection: after a missed answer nothing may be asked any
// more on it.
func TestSilenceEndsTheConnection(t *testing.T) {
	_, c := dialFake(t, exchange{"GETINFO version", ""})
	c.wait = 50 * time.Millisecond
	if _, err := c.getInfo("version"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if _, err := c.getInfo("version"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second error %v", err)
	}
}

func TestDialRefusesAnotherProcess(t *testing.T) {
	f := &fakeControl{t: t, socket: t.TempDir() + "/c"}
	ln, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if c, err := dialControl(t.Context(), f.socket, "", 1); err == nil || !strings.Contains(err.Error(), "not the tor that was started") {
		t.Errorf("dialControl = %v, %v", c, err)
	}
}

func TestEventsOfOneLine(t *testing.T) {
	_, c := dialFake(t, exchange{"SETEVENTS X", "250 OK\n650 NETWORK_LIVENESS UP\n650+NS\na\n.\n650 OK\n650-TWO a\n650 b\n650 HS_DESC x"})
	if _, err := c.command("SETEVENTS X"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NETWORK_LIVENESS UP", "HS_DESC x"} {
		if got, err := c.nextEvent(); got != want || err != nil {
			t.Errorf("event %q, %v; want %q", got, err, want)
		}
	}
}
