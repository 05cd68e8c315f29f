//go:build lab

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/config"
	"tunic/internal/lab/traffic"
)

// probe is something that works, or that is refused, with all rules. rules is
// an expression for those that it may miss: others are not tried.
type probe struct {
	name, rules string
	run         func(w *world) error
}

const nas6 = "2001:db8:77::20"

// probes are tried with the laptop direct and the nas an onion device.
func probes() []probe {
	return []probe{
		{"a device's TCP through Tor", `PREROUTING -j TUNIC-REDIRECT|TUNIC-REDIRECT|TUNIC-LAN -p tcp -j|TUNIC-INPUT -s|uid-owner`, anyOf(
			arrives("phone", "", "http://"+web4+"/ip"), arrives("phone", "", "http://["+web6+"]/ip"), arrives("phone", phoneULA, "http://["+web6+"]/ip"))},
		{"names for devices", `dport 53|TUNIC-INPUT -s fe80`, names},
		{"time for devices", `dport 123 `, clocks},
		{"ports for devices", `dport (70|9050)`, openPorts},
		{"inner ports are closed to devices", `TUNIC-INPUT -p`, innerPorts},
		{"closed ports are refused at once", `TUNIC-CLOSED -s|TUNIC-REFUSE -p tcp`, closedPorts},
		{"pings are refused in words", `TUNIC-REFUSE -p (icmp|ipv6-icmp)|TUNIC-FROM -s .* -g`, prohibited},
		{"datagrams are refused at once", `TUNIC-REFUSE -j REJECT|TUNIC-FROM -s .* -g`, refusedDatagrams},
		{"a direct device", `0x3000000|mac-source|TUNIC-(CLASSIFY|SNAT|DEVICE|TO|FROM|POLICY|POST)`, anyOf(
			arrives("laptop", wan4, "http://"+web4+"/ip"), arrives("laptop", "2001:db8:77::11", "http://["+web6+"]/ip"))},
		{"a direct device by its local address", `TUNIC-SNAT`, arrivesVia("laptop", "fd77::11", wan6, "http://["+web6+"]/ip")},
		{"an onion device", `0x2000000|mac-source`, anyOf(
			arrives("nas", wan4, "http://"+web4+"/ip"), arrives("nas", nas6, "http://["+web6+"]/ip"))},
		{"an onion device by its local address", `TUNIC-SNAT`, arrivesVia("nas", "fd77::20", wan6, "http://["+web6+"]/ip")},
		{"virtual addresses for a direct device", `TUNIC-LAN -d .* -p tcp`, virtualDirect},
		{"a mark for tor's devices", `TUNIC-DEVICE -j|TUNIC-CLASSIFY`, marked},
		{"device to device by way of the box", `TUNIC-(POLICY|POST|SNAT|LAN) -d|TUNIC-TO -i`, byBox},
		{"the box's other servers", `TUNIC-LAN -m addrtype`, boxServer},
		{"the box's own connections and names", `TUNIC-OWN|OUTPUT -j TUNIC-OWN|-i lo|-o lo|TUNIC-OUTPUT -d (127|::1)|uid-owner`, ownTraffic},
		{"the box to the household", `TUNIC-(OUTPUT|OWN) -d`, boxToHousehold},
		{"the box answers the internet", `RELATED,ESTABLISHED --ctdir REPLY -j RETURN|addrtype --src-type`, answersInternet},
		{"tor's own connections", `uid-owner`, torConnects},
		{"what the link needs", `--icmpv6-type 13|--icmpv6-type 143|--dport (67|547)`, linkLayer},
		{"no redirects to devices", `--icmp-type 5|--icmpv6-type 137`, noRedirects},
		{"a port forward of the owner", `ctstate DNAT --ctdir`, forwarded},
	}
}

// blockedProbes are tried with the laptop blocked.
func blockedProbes() []probe {
	return []probe{{"a blocked device gets no names and reaches no device", `0x4000000|mac-source`, func(w *world) error {
		if reply, err := w.question(w.laptop, "udp", box4, "web.example", dns.TypeA, 400*time.Millisecond); err == nil {
			return fmt.Errorf("the resolver answers: %v", reply)
		}
		if reply, err := w.question(w.laptop, "udp", box6, "web.example", dns.TypeA, 400*time.Millisecond); err == nil {
			return fmt.Errorf("the resolver answers: %v", reply)
		}
		if byBoxFrom(w, "laptop", w.laptop, "192.168.77.11", "2001:db8:77::11", "fd77::11") == nil {
			return errors.New("it reaches the nas by way of the box")
		}
		return nil
	}}}
}

// anyOf fails if one of several fails.
func anyOf(runs ...func(*world) error) func(*world) error {
	return func(w *world) error {
		for _, run := range runs {
			if err := run(w); err != nil {
				return err
			}
		}
		return nil
	}
}

// arrives fetches, by a source address if it is one of the node's, and wants to
// be seen from an address: an exit's if want is "" or the node's local one.
func arrives(node, want, url string) func(*world) error {
	if want == "" || want == phoneULA {
		return arrivesVia(node, want, "", url)
	}
	return arrivesVia(node, "", want, url)
}

func arrivesVia(node, by, want, url string) func(*world) error {
	return func(w *world) error {
		args := []string{url}
		if by != "" {
			args = append(args, "--interface", by)
		}
		from, ok := w.curl(node, 3, args...)
		if !ok || want == "" && !isExit(from) || want != "" && from != want {
			return fmt.Errorf("%s of the %s arrived from %q", url, node, from)
		}
		return nil
	}
}

func names(w *world) error {
	for _, from := range []traffic.Host{w.phone, w.laptop} {
		for _, by := range []string{"udp " + box4, "tcp " + box4, "udp " + box6, "tcp " + box6} {
			network, resolver, _ := strings.Cut(by, " ")
			if reply, err := w.question(from, network, resolver, "web.example", dns.TypeA, time.Second); err != nil || len(reply.Answer) == 0 {
				return fmt.Errorf("%s: %v", by, err)
			}
		}
	}
	for _, by := range []string{"udp " + public4, "tcp " + public4, "udp " + public6, "tcp " + public6} {
		network, resolver, _ := strings.Cut(by, " ")
		reply, err := w.question(w.phone, network, resolver, "printer.local", dns.TypeA, time.Second)
		if err != nil || reply.Rcode != dns.RcodeNameError {
			return fmt.Errorf("%s: %v, %v", by, err, reply)
		}
	}
	if r := w.exec("phone", "dig", "+time=1", "+tries=1", "@"+boxLink+"%eth0", "web.example", "AAAA"); r.Code != 0 {
		return errors.New("no answer by the link's address")
	}
	return nil
}

// clocks asks the time: a device of Tor whom it likes, a direct one the box.
func clocks(w *world) error {
	clock := append([]byte{4<<3 | 3}, make([]byte, 47)...)
	for _, to := range []string{web4, web6, box4, box6} {
		if !answersDatagram(w, w.phone, net.JoinHostPort(to, "123"), clock) {
			return errors.New("no time for the phone from " + to)
		}
	}
	for _, to := range []string{box4, box6} {
		if !answersDatagram(w, w.laptop, net.JoinHostPort(to, "123"), clock) {
			return errors.New("no time for the laptop from " + to)
		}
	}
	return nil
}

// open reports whether a connection comes about within a second.
func open(w *world, from traffic.Host, address string) error {
	ctx, cancel := context.WithTimeout(w.ctx, time.Second)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address)
	if err == nil {
		conn.Close()
	}
	return err
}

func openPorts(w *world) error {
	for _, host := range []string{box4, "[" + box6 + "]"} {
		for _, port := range []string{":70", ":9050"} {
			if err := errors.Join(open(w, w.phone, host+port), open(w, w.laptop, host+port)); err != nil {
				return err
			}
		}
	}
	return nil
}

func closedPorts(w *world) error {
	mark := w.mark(w.lan)
	for _, to := range []string{box4 + ":9240", "[" + box6 + "]:9240", "[fd77::1]:9240", "[" + boxLink + "%eth0]:9240"} {
		begin := time.Now()
		if err := open(w, w.phone, to); !isRefused(err) || time.Since(begin) > atOnce {
			return fmt.Errorf("%s: %v after %v", to, err, time.Since(begin))
		}
	}
	w.pause(settle)
	for _, family := range []string{"ip and tcp[13] & 4 != 0", "ip6 and ip6[53] & 4 != 0"} {
		if len(w.lines(w.lan, mark, "tcp src port 9240 and "+family)) == 0 {
			return errors.New("no reset: " + family)
		}
	}
	return nil
}

// innerPorts are where redirected packets arrive; nobody else may.
func innerPorts(w *world) error {
	for _, port := range []uint16{config.ServeDNSPort, config.ServeSocksPort, config.ServeGopherPort, config.TransPort} {
		for _, host := range []string{box4, box6} {
			if to := net.JoinHostPort(host, strconv.Itoa(int(port))); !isRefused(open(w, w.phone, to)) {
				return errors.New(to + " is open")
			}
		}
	}
	query, err := new(dns.Msg).SetQuestion("printer.local.", dns.TypeA).Pack()
	if err != nil {
		return err
	}
	clock := append([]byte{4<<3 | 3}, make([]byte, 47)...)
	for port, question := range map[int][]byte{int(config.ServeDNSPort): query, int(config.ServeNTPPort): clock} {
		for _, host := range []string{box4, box6} {
			if to := net.JoinHostPort(host, strconv.Itoa(port)); answersDatagram(w, w.phone, to, question) {
				return errors.New(to + " answers")
			}
		}
	}
	return nil
}

func answersDatagram(w *world, from traffic.Host, to string, question []byte) bool {
	conn, err := from.Dial(w.ctx, "udp", to)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond)) // of a socket that was just opened
	if _, err := conn.Write(question); err != nil {
		return false
	}
	_, err = conn.Read(make([]byte, 1500))
	return err == nil
}

func prohibited(w *world) error {
	mark := w.mark(w.lan)
	if err := device(ping(phone4, web4), ping(phone6, web6), ping(phoneULA, web6))(w); err != nil {
		return err
	}
	w.pause(settle)
	for _, what := range []string{"icmp[0] == 3 and icmp[1] == 13", "icmp6 and ip6[40] == 1 and ip6[41] == 1 and dst host " + phone6, "icmp6 and ip6[40] == 1 and ip6[41] == 1 and dst host " + phoneULA} {
		if len(w.lines(w.lan, mark, what)) == 0 && len(w.lines(w.lan, mark, strings.Replace(what, "icmp[1] == 13", "icmp[1] == 10", 1))) == 0 {
			return errors.New("no refusal: " + what)
		}
	}
	return nil
}

func refusedDatagrams(w *world) error {
	w.pause(time.Second) // the kernel limits its refusals
	for _, to := range []string{web4 + ":443", "[" + web6 + "]:443"} {
		begin := time.Now()
		if err := w.provoke("udp", to); !isRefused(err) || time.Since(begin) > atOnce {
			return fmt.Errorf("%s: %v after %v", to, err, time.Since(begin))
		}
	}
	return nil
}

func virtualDirect(w *world) error {
	v := w.ranges()
	four, six := v.Virtual4.Addr().Next(), v.Virtual6.Addr().Next()
	return errors.Join(open(w, w.laptop, net.JoinHostPort(four.String(), "70")), open(w, w.laptop, net.JoinHostPort(six.String(), "70")))
}

func marked(w *world) error {
	for _, to := range []string{web4, web6} {
		if err := open(w, w.phone, net.JoinHostPort(to, "80")); err != nil {
			return err
		}
		if got := w.exec("gateway", "conntrack", "-L", "-p", "tcp", "--orig-dst", to).Stdout; !strings.Contains(got, fmt.Sprintf("mark=%d ", 0x01000000)) {
			return fmt.Errorf("no mark: %s", got)
		}
	}
	return nil
}

// forwardedPort leads from the uplink to the nas, by rules of the owner's own.
const forwardedPort = "8088"

func (w *world) forwardPort() (undo func()) {
	w.Helper()
	change := func(how string) {
		for tool, to := range map[string]string{"iptables": nas4 + ":" + mirrorPort, "ip6tables": "[" + nas6 + "]:" + mirrorPort} {
			w.must("gateway", tool, "-w", "-t", "nat", how, "PREROUTING", "-i", "wan", "-p", "tcp", "--dport", forwardedPort, "-j", "DNAT", "--to-destination", to)
		}
	}
	change("-A")
	return func() { change("-D") }
}

func forwarded(w *world) error {
	for _, to := range []string{wan4, wan6} {
		if err := open(w, w.internet, net.JoinHostPort(to, forwardedPort)); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	return nil
}
