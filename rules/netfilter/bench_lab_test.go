//go:build lab

package netfilter

import (
	"fmt"
	"io"
	"net"
	"testing"

	"tunic/rules"
)

// withDevices is a household of n devices with a policy of their own; the
// phone is the last of them, so that a search would find it last.
func withDevices(n int) rules.Input {
	in := household()
	for i := range n - 1 {
		in.Devices = append(in.Devices, rules.Device{MAC: fmt.Sprintf("02:00:%02x:%02x:00:01", i>>8, i&0xff), Policy: rules.Direct})
	}
	in.Devices = append(in.Devices, rules.Device{MAC: phoneMAC, Policy: rules.Onion})
	return in
}

// BenchmarkApply goes from closed to open and back, each a step in which most
// tables of both families are loaded anew.
func BenchmarkApply(b *testing.B) {
	for _, devices := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			gw := newNode(b, "bench")
			k := gw.kernel()
			closed := withDevices(devices)
			closed.Mode = rules.Lockdown
			sets := []rules.Ruleset{compile(b, withDevices(devices)), compile(b, closed)}
			gw.do(func() {
				for i := 0; b.Loop(); i++ {
					if err := k.Apply(b.Context(), sets[i%2]); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkForward moves data from the phone to a server in the internet, as
// policy onion lets it: every packet passes all our chains. "none" is the same
// without any rule of ours, in the same run: the others are a ratio to it.
func BenchmarkForward(b *testing.B) {
	const chunk = 1 << 20
	for _, devices := range []int{0, 1, 1000} {
		name := fmt.Sprintf("devices=%d", devices)
		if devices == 0 {
			name = "none"
		}
		b.Run(name, func(b *testing.B) {
			n := newNetwork(b)
			if devices > 0 {
				n.apply(compile(b, withDevices(devices)))
			}
			conns := n.internet.server(":8080")
			c, err := n.phone.dial("tcp", internet4+":8080", "")
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			go io.Copy(io.Discard, <-conns)
			move(b, c, chunk)
		})
	}
}

// BenchmarkConnect opens connections: only their first packets are classified.
func BenchmarkConnect(b *testing.B) {
	for _, devices := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			n := newNetwork(b)
			n.apply(compile(b, withDevices(devices)))
			var l net.Listener
			n.internet.do(func() {
				var err error
				if l, err = net.Listen("tcp", ":8080"); err != nil {
					b.Error(err)
				}
			})
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
			n.phone.do(func() {
				for b.Loop() {
					c, err := net.Dial("tcp", internet4+":8080")
					if err != nil {
						b.Fatal(err)
					}
					io.Copy(io.Discard, c)
					c.Close()
				}
			})
		})
	}
}

func move(b *testing.B, c net.Conn, chunk int) {
	b.Helper()
	data := make([]byte, chunk)
	b.SetBytes(int64(chunk))
	for b.Loop() {
		if _, err := c.Write(data); err != nil {
			b.Fatal(err)
		}
	}
}
