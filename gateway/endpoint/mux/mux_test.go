package mux

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"tunic/gateway/anchor"
	"tunic/gateway/endpoint"
	"tunic/gateway/onion"
)

// box is one with a home onion.
type box struct {
	onion.Address
	key ed25519.PrivateKey
}

func newBox(n byte) box {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
	return box{onion.FromPublicKey(key.Public().(ed25519.PublicKey)), key}
}

var alice, bob, carol, mallory = newBox(1), newBox(2), newBox(3), newBox(4)

// leaf is a certificate of a box.
func (b box) leaf(t testing.TB, at time.Time) tls.Certificate {
	t.Helper()
	l, err := anchor.Issue(b.Address, func(m []byte) ([]byte, error) { return ed25519.Sign(b.key, m), nil }, at)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(l.Cert), []byte(l.Key))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// house has a service for bob: it says back what it hears, once that has ended.
type house struct {
	opened []string
	fine   bool
}

func (h *house) Friends() []onion.Address { return []onion.Address{bob.Address, carol.Address} }

func (h *house) Names(friend onion.Address) []string {
	if friend == bob.Address {
		return []string{"echo", "other"}
	}
	return nil
}

func (h *house) Open(_ context.Context, friend onion.Address, name string) (Stream, error) {
	if name == "broken" && friend == bob.Address {
		return nil, errors.New("/etc/secret is missing")
	}
	if name != "echo" || friend != bob.Address {
		return nil, ErrNone
	}
	h.opened = append(h.opened, name)
	ours, theirs := net.Pipe()
	return &echo{ours, theirs, h.fine}, nil
}

type echo struct {
	net.Conn
	theirs net.Conn
	fine   bool
}

func (e *echo) Write(b []byte) (int, error) { return len(b), e.said(b) }

var heard = make(map[*echo][]byte)

func (e *echo) said(b []byte) error { heard[e] = append(heard[e], b...); return nil }

func (e *echo) CloseWrite() error {
	go func() {
		e.theirs.Write(append([]byte("heard: "), heard[e]...))
		e.theirs.Close()
	}()
	return nil
}

func (e *echo) Fine() bool { return e.fine }

// call is the calling end of a connection to alice's box.
func call(t testing.TB, h *house, at time.Time) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ours, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	e := &Endpoint{House: h, Now: func() time.Time { return at }}
	e.Set(alice.leaf(t, time.Now()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		e.ServeConn(t.Context(), theirs, endpoint.Visitor{})
	}()
	t.Cleanup(func() { ours.Close(); <-done })
	ours.SetDeadline(time.Now().Add(time.Minute))
	return ours
}

func as(t testing.TB, c net.Conn, own tls.Certificate) *tls.Conn {
	return tls.Client(c, Client(own, alice.Address, time.Now))
}

// A friend gets the service, says something to its end, and gets the answer.
func TestService(t *testing.T) {
	h := &house{fine: true}
	c := as(t, call(t, h, time.Now()), bob.leaf(t, time.Now()))
	if err := Ask(c, "ECHO"); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "hello\r\nyou")
	c.CloseWrite()
	if said, err := io.ReadAll(c); string(said) != "heard: hello\r\nyou" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

// A service that went wrong is told by how the connection ends.
func TestServiceThatFails(t *testing.T) {
	c := as(t, call(t, &house{}, time.Now()), bob.leaf(t, time.Now()))
	if err := Ask(c, "echo"); err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	if said, err := io.ReadAll(c); string(said) != "heard: " || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", said, err)
	}
}

func TestList(t *testing.T) {
	for who, want := range map[*box][]string{&bob: {"echo", "other"}, &carol: nil} {
		c := as(t, call(t, &house{}, time.Now()), who.leaf(t, time.Now()))
		if names, err := List(c); err != nil || !slices.Equal(names, want) {
			t.Errorf("%q, %v", names, err)
		}
	}
}

// What a stranger sees, a friend who is not named does too: byte for byte.
func TestRefused(t *testing.T) {
	now := time.Now()
	without := tls.Certificate{}
	stolen := bob.leaf(t, now)
	stolen.PrivateKey = mallory.leaf(t, now).PrivateKey
	forged := forge(t, bob, mallory, anchor.Names(bob.Address)...)
	for _, one := range []struct {
		name string
		own  tls.Certificate
		ask  string
		at   time.Time
	}{
		{"a friend, something that is not there", bob.leaf(t, now), "nothing", now},
		{"a friend who is not named", carol.leaf(t, now), "echo", now},
		{"a stranger", mallory.leaf(t, now), "echo", now},
		{"nobody", without, "echo", now},
		{"a friend's names, signed by another", forged, "echo", now},
		{"a certificate without names", forge(t, bob, bob), "echo", now},
		{"a friend's certificate that has ended", bob.leaf(t, now), "echo", now.Add(anchor.Lifetime + time.Hour)},
		{"alice's own", alice.leaf(t, now), "echo", now},
		{"no name of a service", bob.leaf(t, now), "../echo", now},
	} {
		h := &house{}
		c := as(t, call(t, h, one.at), one.own)
		io.WriteString(c, one.ask+"\r\n")
		said, err := io.ReadAll(c)
		if string(said) != "-there is no such service for you\r\n" || err != nil || len(h.opened) > 0 {
			t.Errorf("%s: %q, %v, opened %q", one.name, said, err, h.opened)
		}
	}
	c := as(t, call(t, &house{}, now), stolen)
	io.WriteString(c, "echo\r\n")
	if said, err := io.ReadAll(c); err == nil || len(said) > 0 {
		t.Errorf("a certificate without its key: %q, %v", said, err)
	}
	c = as(t, call(t, &house{}, now), bob.leaf(t, now))
	if err := Ask(c, "broken"); !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a service that does not work: %v", err)
	}
}

// forge is a certificate with the names of one box that another has signed, with the
// anchor of the first beside it.
func forge(t *testing.T, subject, signer box, names ...string) tls.Certificate {
	t.Helper()
	parent, err := x509.ParseCertificate(anchor.DER(subject.Address))
	if err != nil {
		t.Fatal(err)
	}
	parent.PublicKey = signer.PublicKey()
	own := subject.leaf(t, time.Now())
	template := *own.Leaf
	template.DNSNames = names
	der, err := x509.CreateCertificate(nil, &template, parent, own.Leaf.PublicKey, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	own.Certificate, own.Leaf = [][]byte{der, anchor.DER(subject.Address)}, nil
	return own
}

// Certificates cost memory when they are parsed, before it is known who shows them: a
// stranger with many is not heard, however slowly they come; a box with its own is.
func TestManyCertificates(t *testing.T) {
	for n, heard := range map[int]bool{1: true, 4: true, 40: false, 200: false} {
		own := mallory.leaf(t, time.Now())
		for range n {
			own.Certificate = append(own.Certificate, anchor.DER(mallory.Address))
		}
		c := as(t, call(t, &house{}, time.Now()), own)
		said, err := io.ReadAll(c)
		if (string(said) == "-there is no such service for you\r\n" && err == nil) != heard {
			t.Errorf("%d certificates: %q, %v", n, said, err)
		}
	}
}

// The same of a friend's box that is called.
func TestManyCertificatesOfServer(t *testing.T) {
	for n, fine := range map[int]bool{1: true, 40: false} {
		own := alice.leaf(t, time.Now())
		for range n {
			own.Certificate = append(own.Certificate, anchor.DER(alice.Address))
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if theirs, err := ln.Accept(); err == nil {
				tls.Server(theirs, Server(own)).Handshake()
				theirs.Close()
			}
		}()
		ours, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ours.SetDeadline(time.Now().Add(time.Minute))
		_, err = Call(t.Context(), ours, bob.leaf(t, time.Now()), alice.Address, time.Now)
		if (err == nil) != fine {
			t.Errorf("%d certificates: %v", n, err)
		}
		ours.Close()
		ln.Close()
	}
}

// Who has not proved anything is not listened to: nothing is read of what they ask.
func TestNothingIsReadBefore(t *testing.T) {
	c := as(t, call(t, &house{}, time.Now()), mallory.leaf(t, time.Now()))
	if said, err := io.ReadAll(c); string(said) != "-there is no such service for you\r\n" || err != nil {
		t.Errorf("it waits for a request: %q, %v", said, err)
	}
}

// The caller makes sure of whom it has called.
func TestWrongBox(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"another box": Client(bob.leaf(t, time.Now()), carol.Address, time.Now),
		"its time is over": Client(bob.leaf(t, time.Now()), alice.Address,
			func() time.Time { return time.Now().Add(anchor.Lifetime + time.Hour) }),
	} {
		c := tls.Client(call(t, &house{}, time.Now()), config)
		if err := c.Handshake(); err == nil {
			t.Errorf("%s is taken for alice's", name)
		}
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	other := Server(alice.leaf(t, time.Now()))
	other.NextProtos = nil
	go tls.Server(theirs, other).Handshake()
	if err := tls.Client(ours, Client(bob.leaf(t, time.Now()), alice.Address, time.Now)).Handshake(); err == nil {
		t.Error("a server that speaks something else is taken for one of services")
	}
}

func TestRequestLine(t *testing.T) {
	for text, want := range map[string]string{
		"echo\r\nmore": "echo", "echo\nmore": "echo", "Echo-2\r\n": "echo-2", strings.Repeat("a", 30) + "\r\n": strings.Repeat("a", 30),
		"\r\n": "", "echo": "", "../x\r\n": "", "e\x00\r\n": "", "echo\r\r\n": "", "ec\rho\n": "", "-x\r\n": "", "x-\r\n": "", "é\r\n": "",
		strings.Repeat("a", 31) + "\r\n": "", strings.Repeat("a", 1000): "",
	} {
		r := strings.NewReader(text)
		name, err := ReadRequest(r)
		if name != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, name, err)
		}
		if rest, _ := io.ReadAll(r); want != "" && strings.HasSuffix(text, "more") && string(rest) != "more" {
			t.Errorf("%q: %q is left", text, rest)
		}
	}
}

// FuzzRequest: a request is a name or nothing, and no more is read than its line.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{"echo\r\n", "HELP\n", "a\r\nb", "\x00", strings.Repeat("x", 100)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bytes.NewReader(text)
		name, err := ReadRequest(r)
		if err == nil && !namePattern.MatchString(name) || err != nil && name != "" {
			t.Errorf("%q: %q, %v", text, name, err)
		}
		if read := len(text) - r.Len(); read > maxRequest+3 {
			t.Errorf("%d bytes were read", read)
		}
		if line, _, whole := bytes.Cut(text, []byte("\n")); err == nil && (!whole || len(text)-r.Len() != len(line)+1) {
			t.Errorf("%q: %d bytes are left", text, r.Len())
		}
	})
}

// FuzzAnswer: what a friend's box says is an answer or an error, and shows nothing odd.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{"+echo\r\n", "-no\r\n", "-\x1b[2J\r\n", "echo\r\nother\r\n", ""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Ask(&script{Reader: bytes.NewReader(text)}, "echo")
		if err == nil && !bytes.HasPrefix(text, []byte("+")) {
			t.Errorf("%q is taken for a yes", text)
		}
		if errors.Is(err, ErrRefused) && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q", err)
		}
		if names, err := List(&script{Reader: bytes.NewReader(text)}); err == nil && len(names) > maxList {
			t.Errorf("%d names", len(names))
		}
	})
}

type script struct{ io.Reader }

func (*script) Write(b []byte) (int, error) { return len(b), nil }
