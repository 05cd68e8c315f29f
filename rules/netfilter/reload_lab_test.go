//go:build lab

package netfilter

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunic/rules"
)

// TestCutDeviceHearsAtOnce: a device whose connections are cut is told, so that
// it opens new ones; nothing of the old one leaves.
func TestCutDeviceHearsAtOnce(t *testing.T) {
	n := newNetwork(t)
	n.far = n.internet.server(":8080")
	n.apply(compile(t, withDefault(rules.Direct)))
	for _, address := range []string{internet4 + ":8080", "[" + internet6 + "]:8080"} {
		c, err := n.phone.reach("tcp", address, "")
		if err != nil {
			t.Fatal(err)
		}
		n.cut(rules.Direct)
		n.wan.take()
		start := time.Now()
		if err := refusal(c); !errors.Is(err, unix.ECONNRESET) || time.Since(start) > atOnce {
			t.Errorf("%s: %v after %v", address, err, time.Since(start))
		}
		if got := n.wan.take(); len(got) != 0 {
			t.Errorf("arrived in the internet: %q", got)
		}
	}
}

// TestReloadIsTight floods while the rules are replaced.
func TestReloadIsTight(t *testing.T) {
	n := newNetwork(t)
	closed := household()
	closed.Mode = rules.Lockdown
	sets := []rules.Ruleset{compile(t, household()), compile(t, closed)}
	n.apply(sets[0])
	stop, sent := make(chan struct{}), make(chan int)
	go n.flood(stop, sent)
	for i := range 20 {
		n.apply(sets[i%2])
	}
	if got := n.wan.take(); len(got) != 0 {
		t.Errorf("%d packets arrived in the internet while reloading, the first %q", len(got), got[0])
	}
	n.apply(compile(t, withDefault(rules.Direct)))
	n.flush()
	if got := n.wan.take(); len(got) == 0 {
		t.Error("nothing arrived with policy direct either: this test proves nothing")
	}
	close(stop)
	if count := <-sent; count < 1000 {
		t.Errorf("only %d datagrams were sent", count)
	}
}

// flood sends datagrams over both families until stop.
func (n *network) flood(stop <-chan struct{}, sent chan<- int) {
	count := 0
	defer func() { sent <- count }()
	var conns []net.Conn
	for _, address := range []string{internet4 + ":443", "[" + internet6 + "]:443"} {
		c, err := n.phone.dial("udp", address, "")
		if err != nil {
			n.t.Error(err)
			return
		}
		conns = append(conns, c)
	}
	for {
		for _, c := range conns {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := c.Write([]byte("flood")); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
				count++
			}
		}
		time.Sleep(50 * time.Microsecond)
	}
}
