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
	io.WriteString(c, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' id='x'>")
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

// attack calls itself from, and says so to one host of a box; then it writes to
// a user, whatever it was told.
func attack(t *testing.T, addr, from, to, user string) {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(15 * time.Second))
	c := &client{t: t, conn: raw}
	open := func() bool {
		_, err := fmt.Fprintf(c.conn, "<stream:stream to='%s' from='%s' version='1.0' xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>", to, from)
		return err == nil
	}
	hears := func(word string) bool {
		var text bytes.Buffer
		for b := make([]byte, 4096); !strings.Contains(text.String(), word); {
			n, err := c.conn.Read(b)
			if err != nil {
				return false
			}
			text.Write(b[:n])
		}
		return true
	}
	if !open() || !hears("</stream:features>") {
		return
	}
	io.WriteString(c.conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	if !hears("proceed") {
		return
	}
	c.conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) // an attacker does not mind
	if !open() || !hears("</stream:features>") {
		return
	}
	fmt.Fprintf(c.conn, "<db:result from='%s' to='%s'>key</db:result>", from, to)
	raw.SetDeadline(time.Now().Add(3 * time.Second))
	hears("type='valid'")
	raw.SetDeadline(time.Now().Add(3 * time.Second))
	fmt.Fprintf(c.conn, "<message from='eve@%s' to='%s' type='chat'><body>FORGED</body></message>", from, user)
	fmt.Fprintf(c.conn, "<message from='%s' to='%s' type='chat'><body>FORGED</body></message>", bob, user)
	hears("never")
}

// TestForgers: a stranger, and one under a friend's name, at each host of
// the box, with a DNS that says whatever suits them.
func TestForgers(t *testing.T) {
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
	_ = filepath.WalkDir(a.conf.Data, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if text, _ := os.ReadFile(path); bytes.Contains(text, []byte("FORGED")) {
				t.Errorf("kept in %s", strings.TrimPrefix(path, a.conf.Data))
			}
		}
		return nil
	})
}

// TestForgottenStream: who is no friend any more says nothing on a stream that
// was open.
func TestForgottenStream(t *testing.T) {
	a, b, _ := boxes(t)
	a.start()
	b.start()
	alices, bobs := a.login("alice"), b.login("bob")
	bobs.send(alice, "1")
	inOrder(t, alices, 1)
	a.conf.Peers = nil
	a.write()
	a.reload()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(a.logged(), "closed"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no stream was closed")
		}
	}
	bobs.send(alice, "after")
	if m, ok := alices.next(4 * time.Second); ok {
		t.Errorf("alice hears %q", m.Body)
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

func (b *box) logged() string {
	b.t.Helper()
	text, err := os.ReadFile(b.dir + "/log")
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}
