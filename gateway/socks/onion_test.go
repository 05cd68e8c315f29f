package socks

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tunic/internal/sockets"
)

const anOnion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

func TestDialOnion(t *testing.T) {
	tor := newFakeTor(t)
	p := newProxy(t, Options{DialTor: tor.dial})
	for _, isolation := range []string{"a", "b", "a"} {
		c, err := p.DialOnion(t.Context(), isolation, anOnion, 80)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "ping")
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
			t.Errorf("%q, %v", got, err)
		}
	}
	asked := tor.asked()
	if len(asked) != 3 || asked[0].to != "name "+anOnion+":80" || asked[0] != asked[2] || asked[0].password == asked[1].password {
		t.Errorf("tor was asked for %v", asked)
	}
	for _, device := range []string{"192.168.77.10", "fd77::10"} {
		if as := p.credentialsFor(netip.MustParseAddr(device), credentials{}); as.user == asked[0].user ||
			as.password == asked[0].password {
			t.Errorf("the box shares credentials with %s", device)
		}
	}
}

// Whatever is no onion would leave through an exit, in the box's name.
func TestDialOnionDialsNothingElse(t *testing.T) {
	p := newProxy(t, Options{DialTor: func(context.Context) (*net.UnixConn, error) {
		t.Error("tor was asked")
		return nil, io.EOF
	}})
	for _, host := range []string{"example.org", "192.0.2.1", "", "x.onion.example.org", "a b.onion", strings.Repeat("a", 260) + ".onion"} {
		if _, err := p.DialOnion(t.Context(), "", host, 80); err == nil {
			t.Errorf("%q was dialled", host)
		}
	}
}

func TestReasons(t *testing.T) {
	tor := newFakeTor(t)
	p := newProxy(t, Options{DialTor: tor.dial})
	for code, want := range map[byte]string{0xF0: "no directory has its descriptor", 0xF5: "our key is not among", 0x77: "0x77"} {
		tor.mu.Lock()
		tor.reply = []byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0}
		tor.mu.Unlock()
		_, err := p.DialOnion(t.Context(), "", anOnion, 80)
		if got := Reason(err); !strings.Contains(got, want) {
			t.Errorf("reply %#x: %q", code, got)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	silent := sockets.ListenUnix(t)
	p = newProxy(t, Options{DialTor: func(ctx context.Context) (*net.UnixConn, error) {
		return dialSocket(ctx, silent.Addr().String())
	}})
	if _, err := p.DialOnion(ctx, "", anOnion, 80); Reason(err) != "it took too long" {
		t.Errorf("a silent tor: %v", err)
	}
	silent.Close()
	if _, err := p.DialOnion(t.Context(), "", anOnion, 80); Reason(err) != "tor is not there" {
		t.Errorf("no tor: %v", err)
	}
}
