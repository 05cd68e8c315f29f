//go:build lab

package e2e

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/user"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/config"
	"tunic/internal/lab/load"
	"tunic/internal/lab/traffic"
)

// Addresses of the lab, as internal/lab plans them.
const (
	phone4, phone6, phoneULA = "192.168.77.10", "2001:db8:77::10", "fd77::10"
	nas4                     = "192.168.77.20"
	box4, box6               = "192.168.77.1", "2001:db8:77::1"
	boxLink                  = "fe80::ff:fe0a:1" // of br-lan, made from its hardware address
	wan4, wan6               = "203.0.113.100", "2001:db8::100"
	web4, web6               = "203.0.113.80", "2001:db8::80"
	isp4, isp6               = "203.0.113.53", "2001:db8::53"
	router4, router6         = "203.0.113.254", "2001:db8::254"
	public4, public6         = "8.8.8.8", "2001:4860:4860::8888"
	friend4                  = "192.168.78.10"
)

// device sends packets from the phone.
func device(packets ...traffic.IP) func(*world) error {
	return func(w *world) error { return w.phone.Send(raw(packets)...) }
}

func raw(packets []traffic.IP) [][]byte {
	var all [][]byte
	for _, p := range packets {
		all = append(all, p.Bytes())
	}
	return all
}

// all runs several sends one after the other.
func all(sends ...func(*world) error) func(*world) error {
	return func(w *world) error {
		for _, send := range sends {
			if err := send(w); err != nil {
				return err
			}
		}
		return nil
	}
}

// datagrams are UDP packets to several ports of one address.
func datagrams(from, to string, ports ...uint16) []traffic.IP {
	var packets []traffic.IP
	for _, port := range ports {
		packets = append(packets, traffic.Datagram(netip.AddrPortFrom(addr(from), 40000), netip.AddrPortFrom(addr(to), port),
			[]byte("hello, here I am")))
	}
	return packets
}

// segments are TCP segments of no connection, one for each combination of flags.
func segments(from, to string, port uint16, flags ...byte) []traffic.IP {
	var packets []traffic.IP
	for i, f := range flags {
		packets = append(packets, traffic.Segment(netip.AddrPortFrom(addr(from), uint16(40001+i)), netip.AddrPortFrom(addr(to), port), f))
	}
	return packets
}

// protocols are packets of other protocols than TCP, UDP and ICMP.
func protocols(from, to string, numbers ...byte) []traffic.IP {
	var packets []traffic.IP
	for _, n := range numbers {
		packets = append(packets, traffic.IP{From: addr(from), To: addr(to), Protocol: n, Payload: make([]byte, 40)})
	}
	return packets
}

func ping(from, to string) traffic.IP { return traffic.Echo(addr(from), addr(to)) }

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// connect has the phone open connections.
func connect(addresses ...string) func(*world) error {
	return func(w *world) error { return w.phone.Connect(w.ctx, addresses...) }
}

// ask has the phone ask several resolvers for a name over UDP; the answers
// are waited for, but not for long.
func ask(name string, qtype uint16, resolvers ...string) func(*world) error {
	return func(w *world) error {
		for _, r := range resolvers {
			if _, err := w.question(w.phone, "udp", r, name, qtype, 400*time.Millisecond); err != nil && !quiet(err) {
				return err
			}
		}
		return nil
	}
}

// askTCP is ask over TCP.
func askTCP(name string, qtype uint16, resolvers ...string) func(*world) error {
	return func(w *world) error {
		for _, r := range resolvers {
			if _, err := w.question(w.phone, "tcp", r, name, qtype, 400*time.Millisecond); err != nil && !quiet(err) {
				return err
			}
		}
		return nil
	}
}

// quiet reports whether an error only says that nobody answered.
func quiet(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, context.DeadlineExceeded) || err.Error() == "EOF"
}

// question asks one resolver one question.
func (w *world) question(from traffic.Host, network, resolver, name string, qtype uint16, limit time.Duration) (*dns.Msg, error) {
	return load.Question(w.ctx, from, network, resolver, name, qtype, limit)
}

// boxAsks has the gateway itself ask its provider's resolver.
func boxAsks(w *world) error {
	for _, resolver := range []string{isp4, isp6} {
		if _, err := w.question(w.gateway, "udp", resolver, "fallback.example", dns.TypeA, 400*time.Millisecond); err != nil &&
			!quiet(err) && !errors.Is(err, syscall.EPERM) {
			return err
		}
	}
	return nil
}

// askLinkLocal has the phone ask the gateway at its link-local address; dig
// knows about zones.
func askLinkLocal(w *world) error {
	w.exec("phone", "dig", "+time=1", "+tries=1", "@"+boxLink+"%eth0", "web.example", "AAAA")
	return nil
}

// asTor sends with the uid of tor, whose TCP alone may pass.
func asTor(packets ...traffic.IP) func(*world) error {
	return func(w *world) error {
		uid, err := uidOf(config.TorUser)
		if err != nil {
			return err
		}
		return w.gateway.As(uid).Send(raw(packets)...)
	}
}

func uidOf(name string) (int, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
}

func fromBox(packets ...traffic.IP) func(*world) error {
	return func(w *world) error { return w.gateway.Send(raw(packets)...) }
}

func fromInternet(packets ...traffic.IP) func(*world) error {
	return func(w *world) error { return w.internet.Send(raw(packets)...) }
}

// scan opens connections to everything of ours, and sends datagrams too.
func scan(w *world) error {
	ports := []uint16{53, 70, config.PagePort, config.PageTLSPort, 9050, config.TransPort, config.SocksPort, config.DNSPort,
		config.ServeDNSPort, config.ServeSocksPort, config.ServeGopherPort, config.ServePagePort, config.ServePageTLSPort}
	var packets []traffic.IP
	for _, port := range ports {
		packets = slices.Concat(packets,
			segments(web4, wan4, port, traffic.SYN), datagrams(web4, wan4, port),
			segments(web6, wan6, port, traffic.SYN), datagrams(web6, wan6, port),
			segments(web4, box4, port, traffic.SYN), segments(web6, box6, port, traffic.SYN))
	}
	return w.internet.Send(raw(packets)...)
}

// flushed opens connections through Tor, has the gateway forget them, and goes
// on with them.
func flushed(host func(*world) traffic.Host) func(*world) error {
	return func(w *world) error {
		var open []net.Conn
		for _, address := range []string{web4 + ":80", "[" + web6 + "]:80"} {
			ctx, cancel := context.WithTimeout(w.ctx, 400*time.Millisecond)
			conn, err := host(w).Dial(ctx, "tcp", address)
			cancel()
			if err == nil { // refused while tor is away
				open = append(open, conn)
			}
		}
		w.flushConntrack()
		for _, conn := range open {
			_, err := conn.Write([]byte("GET /ip HTTP/1.0\r\n\r\n"))
			if err := errors.Join(err, conn.Close()); err != nil && !errors.Is(err, syscall.EPERM) && !quiet(err) {
				return err
			}
		}
		return nil
	}
}

// virtual sends to the addresses that stand for onions.
func virtual(w *world) error {
	v := w.ranges()
	four, six := v.Virtual4.Addr().Next().String(), v.Virtual6.Addr().Next().String()
	return w.phone.Send(raw(slices.Concat(datagrams(phone4, four, 443), datagrams(phone6, six, 443), []traffic.IP{ping(phone4, four)}))...)
}
