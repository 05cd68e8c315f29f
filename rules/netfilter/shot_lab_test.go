//go:build lab

package netfilter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"tunic/internal/lab/traffic"
	"tunic/rules"
)

// shot is one thing that somebody sends, and what has to become of it: "SERVER
// SOURCE" for who answered and whom it saw, "refused" at once, "denied" to the
// sender itself, "silence"; of raw packets "seen" or "nothing". $NAME stands
// for an address of ends.
type shot struct {
	name, want string
	family     rules.Family // 0: both
	walled     bool         // only what is before the second wall answers so
	fire       func(h *house, e ends) (look func() string)
}

// A shot that has to be answered waits long before that is silence: the machine
// may be busy. One that has not waits as long as an answer usually takes.
const (
	patience = 10 * time.Second
	short    = time.Second // the first time that a rule is gone: who does not answer then is asked again
	again    = 2500 * time.Millisecond
	brief    = 400 * time.Millisecond
)

// together is how many shots are under way at a time.
const together = 48

// call is a connection or a datagram.
type call struct {
	network, from, to string
	port              uint16
	source            string // "": the system chooses
	uid               int
	wait              time.Duration
}

func tcp(from, to string, port uint16, want string) shot {
	return call{network: "tcp", from: from, to: to, port: port}.shot(want)
}

func udp(from, to string, port uint16, want string) shot {
	return call{network: "udp", from: from, to: to, port: port}.shot(want)
}

func (f call) shot(want string) shot {
	name := fmt.Sprintf("%s from %s to %s:%d", strings.ToUpper(f.network), f.from, f.to, f.port)
	if f.source != "" {
		name += " by " + f.source
	}
	if f.uid != 0 {
		name += fmt.Sprintf(" as uid %d", f.uid)
	}
	f.wait = patience
	if want == "silence" {
		f.wait = brief
	}
	return shot{name: name, want: want, fire: func(h *house, e ends) func() string {
		got := f.try(h, e)
		return func() string { return got }
	}}
}

// only limits a shot to one family.
func (s shot) only(f rules.Family) shot {
	s.family = f
	return s
}

// before limits a shot to where the second wall is.
func (s shot) before() shot {
	s.walled = true
	return s
}

func (e ends) at(name string) string {
	a, ok := e.addrs[name]
	if !ok {
		panic("no address is called " + name)
	}
	return a
}

// expand replaces names by addresses.
func (e ends) expand(text string) string {
	return regexp.MustCompile(`\$([a-z/]+)`).ReplaceAllStringFunc(text, func(name string) string { return e.at(name[1:]) })
}

// scoped adds the interface to a link-local address, by its number in the
// namespace that it is called in: package net remembers names for a minute, of
// whatever namespace.
func (e ends) scoped(from, name string) string {
	a := netip.MustParseAddr(e.at(name))
	if a.Is6() && a.IsLinkLocalUnicast() {
		link, err := net.InterfaceByName(map[bool]string{true: "lan1", false: "eth0"}[from == "gateway"])
		if err != nil {
			return a.String()
		}
		return a.WithZone(strconv.Itoa(link.Index)).String()
	}
	return a.String()
}

func (f call) dialer(e ends, wait time.Duration) net.Dialer {
	d := net.Dialer{Timeout: wait}
	if f.source == "" {
		return d
	}
	a := netip.AddrPortFrom(netip.MustParseAddr(e.scoped(f.from, f.source)), 0)
	d.LocalAddr = net.TCPAddrFromAddrPort(a)
	if f.network == "udp" {
		d.LocalAddr = net.UDPAddrFromAddrPort(a)
	}
	return d
}

// try opens the connection, or asks, and says what came of it.
func (f call) try(h *house, e ends) string {
	var c net.Conn
	wait := min(f.wait, h.limit)
	err := traffic.Host{Namespace: h.nodes[f.from].name, UID: f.uid}.Do(func() (err error) {
		d := f.dialer(e, wait)
		c, err = d.DialContext(h.t.Context(), f.network, net.JoinHostPort(e.scoped(f.from, f.to), fmt.Sprint(f.port)))
		return err
	})
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	if f.network == "udp" {
		if _, err := c.Write([]byte("?")); err != nil {
			return outcome(err)
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err.Error()
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil {
		return outcome(err)
	}
	name, from, _ := strings.Cut(strings.TrimSpace(string(b[:n])), " ")
	if rest, ok := strings.CutPrefix(from, "dns "); ok { // "tor's dns"
		name, from = name+" dns", rest
	}
	if a, err := netip.ParseAddrPort(from); err == nil {
		from = a.Addr().WithZone("").String()
	}
	return name + " " + from
}

func outcome(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return "refused"
	case errors.Is(err, syscall.EPERM):
		return "denied"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EHOSTUNREACH):
		return "prohibited"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "silence"
	case errors.Is(err, io.EOF):
		return "closed"
	}
	return err.Error()
}

// raw sends packets and says whether a capture has one that matches.
func raw(what, from, iface, on, pattern, want string, packets func(e ends) []traffic.IP) shot {
	return shot{name: what, want: want, fire: func(h *house, e ends) func() string {
		var all [][]byte
		for _, p := range packets(e) {
			all = append(all, p.Bytes())
		}
		err := traffic.Host{Namespace: h.nodes[from].name}.On(iface).Send(all...)
		return func() string {
			switch c := map[string]*capture{"wan": h.wan, "lan": h.lan, "port": h.port, "box": h.box}[on]; {
			case err != nil:
				return err.Error()
			case c.has(bounded(e, pattern)):
				return "seen"
			}
			return "nothing"
		}
	}}
}

// bounded is a pattern that ends where a number ends: port 4004 is not 40041, which
// a system may choose for a connection.
func bounded(e ends, pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?:` + quoted(e, pattern) + `)\b`)
}

// quoted is a pattern with addresses as they are.
func quoted(e ends, pattern string) string {
	return regexp.MustCompile(`\$([a-z/]+)`).ReplaceAllStringFunc(pattern,
		func(name string) string { return regexp.QuoteMeta(e.at(name[1:])) })
}

func (c *capture) has(pattern *regexp.Regexp) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.empty()
	for _, p := range c.packets {
		if pattern.MatchString(p) {
			return true
		}
	}
	return false
}

func (c *capture) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.empty()
	c.packets = nil
}

// policyOf opens a connection and says the policy of its mark.
func policyOf(from, source, to string, port uint16, want string) shot {
	f := call{network: "tcp", from: from, to: to, port: port, source: source, wait: patience}
	s := f.shot(want)
	s.name = "the mark of " + s.name
	s.fire = func(h *house, e ends) func() string {
		f.try(h, e)
		return func() string {
			family := map[rules.Family]string{rules.IPv4: "ipv4", rules.IPv6: "ipv6"}[e.family]
			by := e.at(from)
			if source != "" {
				by = e.at(source)
			}
			out := h.gateway.run(fmt.Sprintf("conntrack -L -f %s -p tcp --orig-src %s --orig-dst %s --dport %d",
				family, by, e.at(to), port))
			m := regexp.MustCompile(`mark=(\d+)`).FindStringSubmatch(out)
			if m == nil {
				return "none"
			}
			var mark uint32
			fmt.Sscan(m[1], &mark) // \d+
			return rules.Policy(mark & rules.MarkMask >> rules.MarkShift).String()
		}
	}
	return s
}

// ftpActive has a device ask a server of FTP to connect to it, with a helper
// of conntrack on the box that reads along and expects that (RFC 959, 2428).
func ftpActive(from, source, want string) shot {
	return shot{name: "FTP's data connection to " + source, want: want, fire: func(h *house, e ends) func() string {
		got := h.askForData(h.nodes[from], e, e.at(source))
		return func() string {
			if h.lan.has(regexp.MustCompile(quoted(e, fmt.Sprintf(`^$internet > $%s protocol 6 ports \d+ > %d `, source, ftpData)))) {
				return "arrives, " + got
			}
			return got
		}
	}}
}

const ftpData = 51201

func (h *house) askForData(device *node, e ends, at string) string {
	dial := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(at), 0))}
	var c net.Conn
	var l net.Listener
	err := traffic.Host{Namespace: device.name}.Do(func() (err error) {
		if l, err = net.Listen("tcp", net.JoinHostPort(at, fmt.Sprint(ftpData))); err == nil {
			c, err = dial.DialContext(h.t.Context(), "tcp", net.JoinHostPort(e.at("internet"), "21"))
		}
		return err
	})
	if l != nil {
		defer l.Close()
	}
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	command := fmt.Sprintf("PORT %s,%d,%d\r\n", strings.ReplaceAll(at, ".", ","), ftpData>>8, ftpData&0xff)
	if e.family == rules.IPv6 {
		command = fmt.Sprintf("EPRT |2|%s|%d|\r\n", at, ftpData)
	}
	if err := c.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return err.Error()
	}
	answers := bufio.NewReader(c)
	var line string
	for _, text := range []string{"USER anonymous\r\n", command} { // the helper reads from the second line on
		if _, err := io.WriteString(c, text); err != nil {
			return outcome(err)
		}
		if line, err = answers.ReadString('\n'); err != nil {
			return outcome(err)
		}
	}
	return strings.TrimSpace(line)
}

// ftp is a server in the internet that does nothing but to connect to where it
// is told, and says what came of that.
func (h *house) ftp() {
	h.serve(h.internet, ":21", func(c net.Conn) {
		lines := bufio.NewScanner(c)
		for lines.Scan() {
			answer := "230 welcome"
			if !strings.HasPrefix(lines.Text(), "USER") {
				answer = h.connectTo(strings.TrimSpace(lines.Text()))
			}
			_, _ = io.WriteString(c, answer+"\n") // who asked may have gone
		}
	})
	for _, tool := range []string{"iptables", "ip6tables"} {
		h.gateway.run(tool + " -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp")
	}
}

func (h *house) connectTo(command string) string {
	var address string
	if rest, ok := strings.CutPrefix(command, "EPRT |2|"); ok {
		at, port, _ := strings.Cut(strings.TrimSuffix(rest, "|"), "|")
		address = net.JoinHostPort(at, port)
	} else {
		var b [6]int
		if n, err := fmt.Sscanf(command, "PORT %d,%d,%d,%d,%d,%d", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]); n != 6 {
			return fmt.Sprint(command, err)
		}
		address = fmt.Sprintf("%d.%d.%d.%d:%d", b[0], b[1], b[2], b[3], b[4]<<8|b[5])
	}
	d := net.Dialer{Timeout: brief}
	var c net.Conn
	err := traffic.Host{Namespace: h.internet.name}.Do(func() (err error) {
		c, err = d.DialContext(h.t.Context(), "tcp", address)
		return err
	})
	if err != nil {
		return outcome(err)
	}
	c.Close()
	return "connected"
}

// shoot fires all shots of one or both families together and returns what came
// of each, by family and name.
func (h *house) shoot(shots []shot, families ...rules.Family) map[rules.Family][]string {
	h.wan.clear()
	h.lan.clear()
	h.port.clear()
	h.box.clear()
	results := make(map[rules.Family][]string)
	var looks []func()
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, together)
	for _, f := range families {
		e := newEnds(f)
		got := make([]string, len(shots))
		results[f] = got
		for i, s := range shots {
			if s.family != 0 && s.family != f {
				continue
			}
			group.Go(func() {
				slots <- struct{}{}
				look := s.fire(h, e)
				<-slots
				mu.Lock()
				defer mu.Unlock()
				looks = append(looks, func() { got[i] = look() })
			})
		}
	}
	group.Wait()
	time.Sleep(settle)
	for _, look := range looks {
		look()
	}
	return results
}
