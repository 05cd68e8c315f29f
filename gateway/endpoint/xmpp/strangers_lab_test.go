//go:build lab

package xmpp

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// liar is where whoever asks the DNS of the test's namespace is led: a name
// server that knows every name, and a server of XMPP that calls every key valid.
type liar struct{ questions, dials atomic.Int32 }

const (
	nameServer = "127.0.0.53"
	liarAddr   = "127.0.0.66"
)

// askLiar has the test's processes ask nameServer.
func askLiar() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	f, err := os.CreateTemp("", "resolv")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := fmt.Fprintf(f, "nameserver %s\n", nameServer); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	return syscall.Mount(f.Name(), "/etc/resolv.conf", "", syscall.MS_BIND, "")
}

func startLiar(t *testing.T) *liar {
	t.Helper()
	l := &liar{}
	names, err := net.ListenPacket("udp", nameServer+":53")
	if err != nil {
		t.Fatal(err)
	}
	server, err := net.Listen("tcp", liarAddr+":5269")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { names.Close(); server.Close() })
	go l.answer(names)
	go func() {
		for c, err := server.Accept(); err == nil; c, err = server.Accept() {
			l.dials.Add(1)
			go agree(c)
		}
	}()
	return l
}

// answer answers each question with liarAddr, whatever type it asks for.
func (l *liar) answer(names net.PacketConn) {
	for b := make([]byte, 512); ; {
		n, from, err := names.ReadFrom(b)
		if err != nil {
			return // closed at the end
		}
		l.questions.Add(1)
		end := 12 + bytes.IndexByte(b[12:n], 0) + 5
		reply := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, b[12:end]...)
		if binary.BigEndian.Uint16(b[end-4:]) == 1 { // A
			reply[7] = 1
			reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 66)
		}
		_, _ = names.WriteTo(reply, from)
	}
}

// agree plays the server that Prosody asks whether a key is right (XEP-0220).
func agree(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "+
		"xmlns:stream='http://etherx.jabber.org/streams' id='x'>")
	var heard bytes.Buffer
	for b := make([]byte, 4096); ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		heard.Write(b[:n])
		attr := func(name string) string {
			_, rest, _ := strings.Cut(heard.String()[strings.Index(heard.String(), "<db:verify"):], name+"='")
			value, _, _ := strings.Cut(rest, "'")
			return value
		}
		if strings.Contains(heard.String(), "</db:verify>") {
			fmt.Fprintf(c, "<db:verify from='%s' to='%s' id='%s' type='valid'/>", attr("to"), attr("from"), attr("id"))
			heard.Reset()
		}
	}
}

// An intruder is a server that has called one of a box's ports.
type intruder struct {
	*client
	raw      net.Conn
	features string // what it was offered over TLS
}

// intrude opens a stream of servers from a host to a host, over TLS. It is nil
// if it was not let so far.
func intrude(t *testing.T, addr, from, to string, certificates ...tls.Certificate) *intruder {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	i := &intruder{client: &client{t: t, conn: raw}, raw: raw}
	if _, ok := i.begin(from, to); !ok || !i.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>") {
		return nil
	}
	if _, ok := i.hears("proceed", 15*time.Second); !ok {
		return nil
	}
	i.conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true, Certificates: certificates}) // an attacker does not mind
	var ok bool
	if i.features, ok = i.begin(from, to); !ok {
		return nil
	}
	return i
}

// begin opens the stream and reads what it is offered.
func (i *intruder) begin(from, to string) (string, bool) {
	i.write("<stream:stream to='%s' from='%s' version='1.0' xmlns='jabber:server' xmlns:db='jabber:server:dialback' "+
		"xmlns:stream='http://etherx.jabber.org/streams'>", to, from)
	return i.hears("</stream:features>", 15*time.Second)
}

// write reports whether the far side was still there, as far as TCP knows.
func (i *intruder) write(format string, args ...any) bool {
	_, err := fmt.Fprintf(i.conn, format, args...)
	return err == nil
}

// hears reads until a word was said, and reports whether it was. What was read
// is all of it in any case.
func (i *intruder) hears(word string, limit time.Duration) (string, bool) {
	i.raw.SetDeadline(time.Now().Add(limit))
	defer i.raw.SetDeadline(time.Time{})
	var text bytes.Buffer
	for b := make([]byte, 4096); !strings.Contains(text.String(), word); {
		n, err := i.conn.Read(b)
		if text.Write(b[:n]); err != nil {
			return text.String(), strings.Contains(text.String(), word)
		}
	}
	return text.String(), true
}

// ended reports whether the far side has closed the stream, or does so in time.
func (i *intruder) ended(limit time.Duration) bool {
	begin := time.Now()
	_, ok := i.hears("</stream:stream>", limit)
	return ok || time.Since(begin) < limit
}

// forge writes to a user as itself and as a friend.
func (i *intruder) forge(from, user string) {
	i.write("<message from='eve@%s' to='%s' type='chat'><body>FORGED</body></message>", from, user)
	i.write("<message from='%s' to='%s' type='chat'><body>FORGED</body></message>", bob, user)
}

// attack calls itself from, and says so to one host of a box; then it writes to
// a user, whatever it was told.
func attack(t *testing.T, addr, from, to, user string) {
	t.Helper()
	i := intrude(t, addr, from, to)
	if i == nil {
		return
	}
	i.write("<db:result from='%s' to='%s'>key</db:result>", from, to)
	i.hears("type='valid'", 3*time.Second)
	i.forge(from, user)
	i.hears("never", 3*time.Second)
}

// forged is where a box has kept what was forged, "" if nowhere.
func (b *box) forged() (found string) {
	_ = filepath.WalkDir(b.conf.Data, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if text, _ := os.ReadFile(path); bytes.Contains(text, []byte("FORGED")) {
				found = strings.TrimPrefix(path, b.conf.Data)
			}
		}
		return nil
	})
	return found
}

// TestForgers: a stranger, and one under a friend's name, at each host of
// the box, with a DNS that says whatever suits them. Nothing but mod_tunic_friends
// stops them here.
func TestForgers(t *testing.T) {
	long(t)
	l := startLiar(t)
	a, _, _ := boxes(t)
	a.start()
	a.login("alice").conn.Close() // it is up, and alice is away: what came would be kept
	for _, from := range []string{"attacker.example.com", hostB, Rooms(hostB), "sub." + hostB} {
		for _, to := range []string{hostA, Rooms(hostA), Files(hostA)} {
			t.Run(from[:4]+" to "+to[:5], func(t *testing.T) { attack(t, fmt.Sprintf("%s:%d", addrA, serverPort), from, to, alice) })
		}
	}
	if q, d := l.questions.Load(), l.dials.Load(); q+d > 0 {
		t.Errorf("the box asked %d questions of the DNS and dialled the attacker %d times", q, d)
	}
	if at := a.forged(); at != "" {
		t.Errorf("kept in %s", at)
	}
}

// TestHellosOfAnother: a friend's box that says hello all the time does not end
// the dials to another's.
func TestHellosOfAnother(t *testing.T) {
	a, b, p := boxes(t)
	p.slow = 7 * time.Second // longer than between hellos, shorter than anybody's patience
	b.start()
	a.conf.Peers = append(a.conf.Peers, Peer{Host: strings.Repeat("c", 56) + ".peer.home.arpa", Onion: strings.Repeat("c", 56) + ".onion"})
	a.start()
	a.login("alice").send(bob, "1")
	bobs := b.login("bob")
	for range 8 {
		a.hello(1)
		if m, ok := bobs.next(2 * time.Second); ok {
			if m.Body != "1" {
				t.Errorf("bob hears %q", m.Body)
			}
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.dials[onionB]; n != 1 {
		t.Errorf("bob's box was dialled %d times", n)
	}
}

// TestNewFriend: a friend who comes is spoken to, one who goes is not, and the
// household's own sessions stay.
func TestNewFriend(t *testing.T) {
	a, b, _ := boxes(t)
	peers := a.conf.Peers
	a.conf.Peers = nil
	a.start()
	b.start()
	alices, bobs := a.login("alice"), b.login("bob")
	alices.send(bob, "0")
	if m, ok := alices.next(arrivalTime); !ok || m.Error == nil {
		t.Fatalf("before they are friends alice was told %+v", m)
	}
	a.conf.Peers = peers
	a.write()
	a.reload()
	begin := time.Now()
	alices.send(bob, "1")
	for m, ok := alices.next(time.Second); ok && time.Since(begin) < arrivalTime; m, ok = alices.next(time.Second) {
		if m.Error == nil {
			t.Fatalf("alice was told %+v", m)
		}
		alices.send(bob, "1") // the reload was not done yet
	}
	inOrder(t, bobs, 1)
	a.conf.Peers = nil
	a.write()
	a.reload()
	for begin = time.Now(); time.Since(begin) < arrivalTime; {
		alices.send(bob, "2")
		if m, ok := alices.next(time.Second); ok && m.Error != nil {
			return
		}
	}
	t.Error("after they are no friends any more messages go through")
}

// TestStrangersAreNotSpokenTo: only peers are in the map.
func TestStrangersAreNotSpokenTo(t *testing.T) {
	a, _, _ := boxes(t)
	a.start()
	alices := a.login("alice")
	alices.send("someone@jabber.example", "hello")
	m, ok := alices.next(arrivalTime)
	if !ok || m.Error == nil || !strings.Contains(m.Error.Inner, "not connected") {
		t.Errorf("alice was told %+v", m)
	}
}

func (b *box) logged() string {
	b.t.Helper()
	text, err := os.ReadFile(b.dir + "/log")
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}
