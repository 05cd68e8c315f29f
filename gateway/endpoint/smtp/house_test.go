package smtp

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
)

// A house is a Server with its people, on the network of a test.
type house struct {
	*Server
	t    testing.TB
	key  onion.Address
	sign func([]byte) []byte
	net  *network
	dir  string
	stop func()
}

// network is the onions of a test: who is dialled is by key.
type network struct {
	mu     sync.Mutex
	houses map[onion.Address]*house
	down   map[onion.Address]bool
	lose   map[onion.Address]int // connections that break after the message, before its "250"
	dials  int
	fresh  []bool // of each dial: it was on circuits of its own
}

func newNetwork() *network {
	return &network{houses: map[onion.Address]*house{}, down: map[onion.Address]bool{}, lose: map[onion.Address]int{}}
}

func (n *network) dial(ctx context.Context, key onion.Address, fresh bool) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials++
	n.fresh = append(n.fresh, fresh)
	h := n.houses[key]
	if h == nil || n.down[key] {
		return nil, errors.New("nobody is there")
	}
	ours, theirs := net.Pipe()
	conn := net.Conn(theirs)
	if n.lose[key] > 0 {
		n.lose[key]--
		conn = &losing{Conn: theirs}
	}
	go endpoint.ServeOne(context.WithoutCancel(ctx), conn, h.Friends(), endpoint.Visitor{Host: key.Host(), Port: 25, ID: "7"},
		endpoint.NewLimiter(endpoint.Limits{}), h.Log)
	return ours, nil
}

// losing breaks when the server says that it has taken a message.
type losing struct{ net.Conn }

func (l *losing) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "queued") {
		l.Close()
		return 0, io.ErrClosedPipe
	}
	return l.Conn.Write(p)
}

// users are the people of every house: each one's password is the name twice.
type users []string

func (u users) Login(login, password string) (string, bool) {
	name, _, _ := strings.Cut(login, "@")
	return name, slices.Contains(u, name) && password == name+name
}
func (u users) Exchange() Exchange { return nil }
func (u users) Mailboxes(local string) []string {
	switch {
	case slices.Contains(u, local):
		return []string{local}
	case local == "postmaster" || local == "abuse":
		return []string{"ann", "bob"}
	}
	return nil
}

func identity(seed string) (onion.Address, func([]byte) []byte) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(seed, ed25519.SeedSize)))
	return onion.FromPublicKey(key.Public().(ed25519.PublicKey)), func(m []byte) []byte { return ed25519.Sign(key, m) }
}

// build makes a house named by one letter, which knows nobody.
func (n *network) build(t *testing.T, seed string) *house {
	t.Helper()
	h := &house{t: t, net: n, dir: t.TempDir()}
	h.key, h.sign = identity(seed)
	h.start()
	t.Cleanup(func() { h.stop() })
	n.mu.Lock()
	n.houses[h.key] = h
	n.mu.Unlock()
	return h
}

// start begins the life of a server on the house's directory.
func (h *house) start() {
	h.t.Helper()
	s, err := New(Options{Dir: h.dir, Log: slog.New(slog.DiscardHandler), People: func() People { return users{"ann", "bob"} },
		TLS:    testTLS(h.t),
		Sign:   func(_ context.Context, _ onion.Address, d [32]byte) ([]byte, error) { return h.sign(d[:]), nil },
		Dial:   h.net.dial,
		Turn:   func(_ context.Context, _ onion.Address, dial func() error) error { return dial() },
		Reason: error.Error})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Server = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	h.stop = func() { cancel(); <-done; s.Close() }
}

// knows makes houses friends of h, by the names given, in turn.
func (h *house) knows(groups []Group, friends map[string]*house) {
	c := Config{Home: h.key, MaxSize: 1 << 20, Quota: 4 << 20, Friends: map[string]onion.Address{}, Groups: groups}
	for name, f := range friends {
		c.Friends[name] = f.key
	}
	h.Set(c)
}

// befriend connects two houses.
func befriend(a, b *house) {
	a.knows(nil, map[string]*house{"bea": b})
	b.knows(nil, map[string]*house{"abe": a})
}

// at is an address in the house.
func (h *house) at(user string) string { return user + "@" + address.Domain(h.key) }

// soon waits until something is so, as long as a busy machine may take, and says whether it is.
func soon(so func() bool) bool {
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// mail returns the messages in a user's mailbox, when there are at least n of
// them or a while has passed.
func (h *house) mail(user string, n int) []string {
	h.t.Helper()
	var texts []string
	soon(func() bool {
		texts = texts[:0]
		paths, _ := filepath.Glob(filepath.Join(h.dir, user, "Maildir", "new", "*"))
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				h.t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
		return len(texts) >= n
	})
	return texts
}

// idle waits until a house's queue is empty.
func (h *house) idle() {
	h.t.Helper()
	if !soon(func() bool { return len(h.Queue()) == 0 }) {
		h.t.Fatalf("the queue does not get empty: %+v", h.Queue())
	}
}

// dialogue is an SMTP client that says what a test wants.
type dialogue struct {
	t    testing.TB
	conn net.Conn
	text *textproto.Conn
}

// knock opens a conversation through a door of the house.
func (h *house) knock(ep endpoint.Endpoint, host string) *dialogue {
	h.t.Helper()
	return h.knockAs(ep, host, "9")
}

// knockAs is knock over a circuit.
func (h *house) knockAs(ep endpoint.Endpoint, host, circuit string) *dialogue {
	h.t.Helper()
	d := h.call(ep, host, circuit)
	d.want("220 ")
	return d
}

// call opens a conversation and reads nothing yet.
func (h *house) call(ep endpoint.Endpoint, host, circuit string) *dialogue {
	ours, theirs := net.Pipe()
	go endpoint.ServeOne(context.Background(), theirs, ep, endpoint.Visitor{Host: host, Port: 25, ID: circuit},
		endpoint.NewLimiter(endpoint.Limits{}), h.Log)
	h.t.Cleanup(func() { ours.Close() })
	return &dialogue{h.t, ours, textproto.NewConn(ours)}
}

// friend is a conversation on port 25 after EHLO.
func (h *house) friend() *dialogue {
	h.t.Helper()
	d := h.knock(h.Friends(), h.key.Host())
	d.say("EHLO x", "250 ")
	return d
}

// say sends a line and wants a reply that begins with want.
func (d *dialogue) say(line, want string) string {
	d.t.Helper()
	d.send(line + "\r\n")
	return d.want(want)
}

func (d *dialogue) send(text string) {
	d.t.Helper()
	d.conn.SetDeadline(time.Now().Add(time.Minute))
	go io.WriteString(d.conn, text) // a pipe has no room of its own
}

// want reads one reply.
func (d *dialogue) want(want string) string {
	d.t.Helper()
	d.conn.SetDeadline(time.Now().Add(time.Minute))
	var all []string
	for {
		line, err := d.text.ReadLine()
		if err != nil {
			d.t.Fatalf("after %q: %v, want %q", all, err, want)
		}
		all = append(all, line)
		if len(line) < 4 || line[3] != '-' {
			break
		}
	}
	got := strings.Join(all, "\n")
	if !strings.HasPrefix(all[len(all)-1], want) {
		d.t.Fatalf("got %q, want %q", got, want)
	}
	return got
}

// letter is a message as a friend's box would sign it.
func (h *house) letter(from, to, id string) string {
	h.t.Helper()
	return h.signed(fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%s@x>\r\n"+
		"%s: <%s@%s>\r\n\r\nhello\r\n",
		from, to, id, id, transferField, id, address.Domain(h.key)))
}

// signed puts the house's signature above a message.
func (h *house) signed(text string) string {
	h.t.Helper()
	in, err := h.read(strings.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	defer in.body.Close()
	field, err := h.Server.sign(context.Background(), in.header, in.body)
	if err != nil {
		h.t.Fatal(err)
	}
	return field.Raw + text
}

// bring delivers a text on port 25 and returns the last reply.
func (d *dialogue) bring(from, to, text, want string) {
	d.t.Helper()
	d.say("MAIL FROM:<"+from+">", "250 ")
	d.say("RCPT TO:<"+to+">", "250 ")
	d.say("DATA", "354 ")
	d.say(text+".", want)
}

// field returns the value of a field in a text.
func field(t *testing.T, text, name string) string {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(text)))
	h, err := r.ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	return h.Get(name)
}

func b64(p []byte) string { return base64.StdEncoding.EncodeToString(p) }
