//go:build lab

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"strconv"
	"strings"
	"time"

	"tunic/gateway/config"
	"tunic/internal/lab/traffic"
)

// mirrorPort is where a server on the nas says from where it was called.
const mirrorPort = "8083"

// mirror starts that server. Where the kernel passes bridged packets to the
// rules, devices do not find each other by IPv6, so the nas is told.
func (w *world) mirror() (stop func()) {
	w.Helper()
	for host, mac := range map[string]string{"10": "02:00:00:0a:00:10", "11": "02:00:00:0a:00:11"} {
		for _, prefix := range []string{"2001:db8:77::", "fd77::"} {
			w.must("nas", "ip", "neigh", "replace", prefix+host, "lladdr", mac, "dev", "eth0", "nud", "permanent")
		}
	}
	l, err := w.nas.Listen(w.ctx, "[::]:"+mirrorPort)
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed by stop
			}
			_, _ = fmt.Fprintln(conn, conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap())
			conn.Close()
		}
	}()
	return func() { l.Close() }
}

// seenFrom connects to the nas and returns from where it sees that.
func seenFrom(w *world, from traffic.Host, address string) (string, error) {
	ctx, cancel := context.WithTimeout(w.ctx, time.Second)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

// byBox has devices reach the nas over the box, as in a wireless network that
// keeps them apart, and be themselves there.
func byBox(w *world) error {
	return errors.Join(byBoxFrom(w, "phone", w.phone, phone4, phone6, phoneULA), byBoxFrom(w, "laptop", w.laptop, "192.168.77.11", "2001:db8:77::11", "fd77::11"))
}

func byBoxFrom(w *world, node string, from traffic.Host, sources ...string) error {
	var errs []error
	for i, way := range []struct{ to, via string }{{nas4, box4}, {nas6, box6}, {"fd77::20", "fd77::1"}} {
		w.must(node, "ip", "route", "add", way.to, "via", way.via)
		got, err := seenFrom(w, from, net.JoinHostPort(way.to, mirrorPort))
		w.must(node, "ip", "route", "del", way.to, "via", way.via)
		if err == nil && got != sources[i] {
			err = fmt.Errorf("the nas sees %s as %s", sources[i], got)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// listening runs try while the box has a server of its own on a port.
func listening(w *world, address string, try func() error) error {
	l, err := w.gateway.Listen(w.ctx, address)
	if err != nil {
		return err
	}
	defer l.Close()
	tries := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			if from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); ofRelay(from) {
				err = fmt.Errorf("it came through Tor, from %s", from)
			}
			conn.Close()
		}
		tries <- err
	}()
	if err := try(); err != nil {
		return err
	}
	select {
	case err := <-tries:
		return err
	case <-time.After(time.Second):
		return errors.New("the connection went elsewhere than " + address)
	}
}

func boxServer(w *world) error {
	for _, host := range []string{box4, "[" + box6 + "]", wan4, "[" + wan6 + "]"} {
		if err := listening(w, host+":8081", func() error { return open(w, w.phone, host+":8081") }); err != nil {
			return err
		}
	}
	return nil
}

func ownTraffic(w *world) error {
	for _, url := range []string{"http://" + web4 + "/ip", "http://[" + web6 + "]/ip", "http://web.example/ip"} {
		if err := arrives("gateway", "", url)(w); err != nil {
			return err
		}
	}
	for _, host := range []string{"127.0.0.1", "[::1]", wan4, "[" + wan6 + "]"} {
		if err := listening(w, host+":8082", func() error { return open(w, w.gateway, host+":8082") }); err != nil {
			return err
		}
	}
	return nil
}

func boxToHousehold(w *world) error {
	if _, err := seenFrom(w, w.gateway, net.JoinHostPort(nas4, mirrorPort)); err != nil {
		return err
	}
	link := w.must("phone", "sh", "-c", "ip -6 -o addr show dev eth0 scope link | awk '{print $4}' | cut -d/ -f1")
	if err := groups(w); err != nil {
		return err
	}
	for _, to := range []string{phone4, phone6, phoneULA, link + "%br-lan", "ff02::1%br-lan"} {
		if r := w.exec("gateway", "ping", "-n", "-c", "1", "-W", "1", to); r.Code != 0 {
			return fmt.Errorf("%s does not answer: %s", to, r.Stdout+r.Stderr)
		}
	}
	return nil
}

// groups has the box speak to addresses that are on every link.
func groups(w *world) error {
	w.must("gateway", "ip", "route", "add", "169.254.9.9", "dev", "br-lan")
	w.must("gateway", "ip", "neigh", "replace", "169.254.9.9", "lladdr", "02:00:00:0a:00:10", "dev", "br-lan", "nud", "permanent")
	defer w.must("gateway", "ip", "route", "del", "169.254.9.9", "dev", "br-lan")
	mark := w.mark(w.lan)
	for _, to := range []string{"224.0.0.1", "255.255.255.255", "169.254.9.9"} {
		w.exec("gateway", "ping", "-n", "-b", "-I", "br-lan", "-c", "1", "-W", "0.1", to)
	}
	w.pause(settle)
	for _, to := range []string{"224.0.0.1", "255.255.255.255", "169.254.9.9"} {
		if len(w.lines(w.lan, mark, "icmp and dst host "+to)) == 0 {
			return errors.New("nothing came for " + to)
		}
	}
	return nil
}

func answersInternet(w *world) error {
	for _, to := range []string{wan4, wan6, box4, box6} {
		if r := w.exec("internet", "ping", "-n", "-c", "1", "-W", "1", to); r.Code != 0 {
			return fmt.Errorf("%s does not answer", to)
		}
	}
	return nil
}

func torConnects(w *world) error {
	u, err := user.Lookup(config.TorUser)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	mark := w.mark(w.wan)
	for _, to := range []string{web4 + ":81", "[" + web6 + "]:81"} {
		_ = open(w, w.gateway.As(uid), to) // nobody listens there
	}
	w.pause(settle)
	for _, family := range []string{"ip", "ip6"} {
		if len(w.lines(w.wan, mark, family+" and tcp dst port 81")) == 0 {
			return errors.New("tor's user cannot connect over " + family)
		}
	}
	return nil
}

// linkLayer sends what an uplink needs: DHCP and, in IPv6, neighbours, routers
// and group membership.
func linkLayer(w *world) error {
	mark := w.mark(w.wan)
	var packets []traffic.IP
	for _, kind := range []byte{133, 135, 136, 143} {
		packets = append(packets, traffic.Control(addr(wan6), addr(web6), 58, append([]byte{kind, 0, 0, 0}, make([]byte, 20)...)))
	}
	dhcp4, dhcp6 := datagrams(wan4, web4, 67)[0], datagrams(wan6, web6, 547)[0]
	dhcp4.Payload[0], dhcp4.Payload[1] = 0, 68
	dhcp6.Payload[0], dhcp6.Payload[1] = 546>>8, 546&0xff
	if err := fromBox(append(packets, dhcp4, dhcp6)...)(w); err != nil {
		return err
	}
	w.pause(settle)
	for _, what := range []string{"icmp6 and ip6[40] == 133", "icmp6 and ip6[40] == 135 and dst host " + web6, "icmp6 and ip6[40] == 136 and dst host " + web6, "icmp6 and ip6[40] == 143 and dst host " + web6,
		"udp src port 68 and dst port 67", "udp src port 546 and dst port 547"} {
		if len(w.lines(w.wan, mark, "ether src 02:00:00:0a:01:00 and "+what)) == 0 {
			return errors.New("it did not leave: " + what)
		}
	}
	return nil
}

// noRedirects has the box forward within the household, when a router says
// that there is a shorter way.
func noRedirects(w *world) error {
	mark := w.mark(w.lan)
	if err := byBox(w); err != nil {
		return err
	}
	w.pause(settle)
	if got := w.lines(w.lan, mark, "icmp[0] == 5 or (icmp6 and ip6[40] == 137)"); len(got) > 0 {
		return fmt.Errorf("a device gets %s", got[0])
	}
	return nil
}
