package pair

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunic/gateway/away"
	"tunic/gateway/config"
	"tunic/gateway/endpoint"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// box is a box with a real Book; it is its own parent.
type box struct {
	*peer.Book
	mu     sync.Mutex
	peers  []config.Peer
	failed peer.Refusal
	seen   []link.Seen
}

func newBox(t *testing.T, seed byte) *box {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
	book, err := peer.OpenBook(peer.Options{Paths: config.NewPaths(t.TempDir()), Now: time.Now,
		Self: onion.FromPublicKey(key.Public().(ed25519.PublicKey)),
		Sign: func(m []byte) (s peer.Signature, err error) { copy(s[:], ed25519.Sign(key, m)); return s, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return &box{Book: book}
}

func (b *box) key() peer.Key { return peer.KeyOf(b.Self) }

func (b *box) befriend(p config.Peer, err error) error {
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peers = append(slices.DeleteFunc(b.peers, func(o config.Peer) bool { return o.Onion == p.Onion }), p)
	return b.SetPeers(b.peers)
}

func (b *box) friends() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.peers)
}

// Pair is the gateway's part, without its loop.
func (b *box) Pair(_ context.Context, m link.Pairing) (r link.Paired, err error) {
	id, who := peer.ID(m.Invite), peer.Key(m.Onion)
	var nonce, client peer.Key
	switch m.Step {
	case link.PairClaim:
		nonce, client, err = b.Claim(id, who, peer.Key(m.Commit))
	case link.PairProve:
		r.Signature, r.Confirmed, err = b.Prove(id, who, peer.Key(m.Nonce), peer.Key(m.Client), m.Signature)
	case link.PairFinish:
		if err = b.befriend(b.Finish(id, who)); err == nil {
			err = b.Finished(id)
		}
	case link.PairAnswer:
		nonce, client, r.Signature, err = b.Answer(id, peer.Key(m.Nonce), peer.Key(m.Client))
	case link.PairVerify:
		err = b.Verify(id, m.Signature, m.Confirmed)
	case link.PairConclude:
		if err = b.befriend(b.Conclude(id)); err == nil {
			err = b.Concluded(id)
		}
	case link.PairFail:
		b.failed = peer.Refusal(m.Refusal)
		err = b.Fail(id, b.failed)
	case link.PairHello:
		r.Signature, err = b.Hello(who, peer.Key(m.Nonce), peer.Key(m.Client), peer.Key(m.Commit))
	}
	r.Nonce, r.Client = link.Key(nonce), link.Key(client)
	return r, err
}

func (b *box) Seen(_ context.Context, s link.Seen) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, s)
	return b.Called(peer.Key(s.Onion), peer.Seen{}, nil)
}

// cutter ends a connection after so many bytes in both directions.
type cutter struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (c *cutter) take(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left -= n
	return c.left >= 0
}

func (c *cutter) Write(p []byte) (int, error) {
	if !c.take(len(p)) {
		c.Close()
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

func (c *cutter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && !c.take(n) {
		c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// talk has b call a; the line is cut after limit bytes.
func talk(t *testing.T, a, b *box, limit int, f func(*Dialer) error) (got error) {
	t.Helper()
	here, there := net.Pipe()
	e := &Endpoint{Parent: a, Log: slog.New(slog.DiscardHandler)}
	e.Set(peersOf(a, b))
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.ServeConn(t.Context(), there, endpoint.Visitor{})
		there.Close()
	}()
	d := &Dialer{Parent: b, Log: slog.New(slog.DiscardHandler), Gate: away.New(),
		Reason: func(err error) string { return err.Error() },
		Dial: func(_ context.Context, host string, port uint16, _ bool) (net.Conn, error) {
			if host != a.Self.Host() || port != config.PairPort {
				return nil, fmt.Errorf("dialled %s:%d", host, port)
			}
			return &cutter{Conn: here, left: limit}, nil
		}}
	err := f(d)
	here.Close()
	<-done
	return err
}

func peersOf(a, b *box) link.Peers {
	p := link.Peers{Self: link.Key(a.key())}
	if a.friends() > 0 {
		p.Friends = []link.Friend{{Onion: link.Key(b.key()), Endpoints: []string{"gopher"},
			Offers: []link.Offer{{Name: "photos", Onion: link.Key{4}}}}}
	}
	return p
}

func accept(t *testing.T, a, b *box, limit int) error {
	t.Helper()
	return talk(t, a, b, limit, func(d *Dialer) error {
		calls := b.Calls()
		if len(calls) == 0 {
			return nil
		}
		c := calls[0]
		return d.accept(t.Context(), b.key(), link.Call{Invite: c.Invite, Onion: link.Key(c.Onion), Commit: link.Key(c.Commit)}, lastDial)
	})
}

func pairUp(t *testing.T, auto bool) (a, b *box, i peer.Invite) {
	t.Helper()
	a, b = newBox(t, 'a'), newBox(t, 'b')
	i, err := a.Invite("bob", "alice", auto)
	if err == nil {
		_, err = b.Accept(i, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, b, i
}

const whole = 1 << 20

func TestPairing(t *testing.T) {
	a, b, _ := pairUp(t, false)
	if err := accept(t, a, b, whole); !errors.Is(err, errWaiting) {
		t.Fatalf("before the owner confirms: %v", err)
	}
	if err := a.Confirm("bob"); err != nil {
		t.Fatal(err)
	}
	if err := accept(t, a, b, whole); err != nil || a.friends() != 1 || b.friends() != 1 {
		t.Fatalf("%v, %d and %d friends", err, a.friends(), b.friends())
	}
}

// Whatever byte is the last one that arrives, the next conversation ends it,
// and in between no box is a friend that the inviting one does not know.
func TestPairingCutAnywhere(t *testing.T) {
	for limit := 0; ; limit += 7 {
		a, b, _ := pairUp(t, true)
		err := accept(t, a, b, limit)
		if b.friends() > a.friends() {
			t.Fatalf("cut after %d bytes: half a friend", limit)
		}
		if err == nil {
			if limit < 300 {
				t.Errorf("it was all said in %d bytes", limit)
			}
			return
		}
		if err := accept(t, a, b, whole); err != nil || a.friends() != 1 || b.friends() != 1 {
			t.Fatalf("cut after %d bytes, going on: %v, %d and %d friends", limit, err, a.friends(), b.friends())
		}
	}
}

func TestRefusalReachesTheOwner(t *testing.T) {
	a, b, _ := pairUp(t, true)
	if _, err := a.Withdraw("bob"); err != nil {
		t.Fatal(err)
	}
	if err := accept(t, a, b, whole); !errors.Is(err, peer.Unknown) || b.failed != peer.Unknown {
		t.Errorf("%v, told %v", err, b.failed)
	}
	if p := b.Pairings(); len(p) != 1 || p[0].State != peer.Failed || !strings.Contains(p[0].Reason, "withdrawn") {
		t.Errorf("%+v", p)
	}
}

func friends(t *testing.T) (a, b *box) {
	t.Helper()
	a, b, _ = pairUp(t, true)
	if err := accept(t, a, b, whole); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestHello(t *testing.T) {
	a, b := friends(t)
	met := 0
	err := talk(t, a, b, whole, func(d *Dialer) error {
		d.Met = func(who peer.Key) { met++ }
		return d.hello(t.Context(), b.key(), link.Friend{Onion: link.Key(a.key()), Endpoints: []string{"smtp"}}, lastDial)
	})
	if err != nil || met != 1 || len(a.seen) != 1 || len(b.seen) != 1 {
		t.Fatalf("%v, met %d, %v and %v", err, met, a.seen, b.seen)
	}
	if s := a.seen[0]; !slices.Equal(s.Endpoints, []string{"smtp"}) || s.Onion != link.Key(b.key()) {
		t.Errorf("a has seen %+v", s)
	}
	if s := b.seen[0]; !slices.Equal(s.Endpoints, []string{"gopher"}) || len(s.Offers) != 1 || s.RoundTrip <= 0 {
		t.Errorf("b has seen %+v", s)
	}
}

// A friend who calls by an address that the box had before is still known.
func TestHelloByFormerAddress(t *testing.T) {
	a, b := friends(t)
	p := peersOf(a, b)
	p.Self, p.Former = link.Key{9}, []link.Key{p.Self}
	here, there := net.Pipe()
	e := &Endpoint{Parent: a, Log: slog.New(slog.DiscardHandler)}
	e.Set(p)
	go func() {
		e.ServeConn(t.Context(), there, endpoint.Visitor{})
		there.Close()
	}()
	d := &Dialer{Parent: b, Log: slog.New(slog.DiscardHandler), Gate: away.New(),
		Reason: func(err error) string { return err.Error() },
		Dial:   func(context.Context, string, uint16, bool) (net.Conn, error) { return here, nil }}
	if err := d.hello(t.Context(), b.key(), link.Friend{Onion: link.Key(a.key())}, lastDial); err != nil {
		t.Error(err)
	}
}

func TestHelloOfOthers(t *testing.T) {
	a, b := friends(t)
	eve := newBox(t, 'e')
	hello := func(caller *box, self peer.Key) error {
		return talk(t, a, b, whole, func(d *Dialer) error {
			d.Parent = caller
			return d.hello(t.Context(), self, link.Friend{Onion: link.Key(a.key())}, lastDial)
		})
	}
	if err := hello(eve, eve.key()); !errors.Is(err, peer.NoFriend) {
		t.Errorf("a stranger: %v", err)
	}
	eve.peers = []config.Peer{{Name: "a", Onion: string(a.Self)}}
	if err := eve.SetPeers(eve.peers); err != nil {
		t.Fatal(err)
	}
	if err := hello(eve, b.key()); !errors.Is(err, peer.BadProof) {
		t.Errorf("a stranger in b's name: %v", err)
	}
	if len(a.seen) != 0 {
		t.Errorf("a has seen %v", a.seen)
	}
}

func TestWordsForPeople(t *testing.T) {
	for err, want := range map[error]string{
		peer.Used:                      "another box has used",
		&unreached{io.EOF, "x y"}:      "cannot be reached: x y",
		errWaiting:                     "four words",
		context.DeadlineExceeded:       "did not answer in time",
		io.ErrUnexpectedEOF:            "broke off",
		errors.Join(io.EOF, peer.Busy): "busy",
	} {
		if got := words(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q", err, got)
		}
	}
	if words(nil) != "" {
		t.Error("no error has words")
	}
}

// The dialer says hello again when there is news, and stops when it is told.
func TestDialerFollowsNews(t *testing.T) {
	dialled := make(chan bool, 100)
	d := &Dialer{Log: slog.New(slog.DiscardHandler), Gate: away.New(), Reason: func(error) string { return "it is away" },
		Dial: func(_ context.Context, _ string, _ uint16, fresh bool) (net.Conn, error) {
			dialled <- fresh
			return nil, io.EOF
		}}
	f := link.Friend{Onion: link.Key{1}, Return: 1}
	expect := func(what string, fresh bool) {
		t.Helper()
		select {
		case got := <-dialled:
			if got != fresh {
				t.Errorf("%s the dial is fresh: %v", what, got)
			}
		case <-time.After(time.Minute):
			t.Fatalf("nobody was dialled: %s", what)
		}
	}
	d.Set(t.Context(), link.Peers{Friends: []link.Friend{f}})
	expect("at first", false)
	f.Return = 2
	d.Set(t.Context(), link.Peers{Friends: []link.Friend{f}})
	expect("on news", true) // the first one failed
	deadline := time.Now().Add(time.Minute)
	for len(d.Status()) == 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if s := d.Status(); len(s) != 1 || !strings.Contains(s[0].Error, "it is away") {
		t.Errorf("status %v", s)
	}
	d.Set(t.Context(), link.Peers{})
	if s := d.Status(); len(s) != 0 || len(d.tasks) != 0 {
		t.Errorf("left: %v, %v", s, d.tasks)
	}
}

// FuzzMessages: whatever a stranger sends, the endpoint ends, asks the parent
// only with what it has read whole, and makes nobody a friend.
func FuzzMessages(f *testing.F) {
	message := func(k kind, body any) []byte {
		raw, _ := binary.Append(nil, binary.BigEndian, body)
		return append([]byte{byte(k), byte(len(raw) >> 8), byte(len(raw))}, raw...)
	}
	f.Add(message(kindClaim, claim{Version: version}))
	f.Add(message(kindClaim, claim{Version: 9}))
	f.Add(slices.Concat(message(kindClaim, claim{Version: version}), message(kindProof, proof{}), message(kindDone, empty{})))
	friend := peer.Key(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey))
	f.Add(slices.Concat(message(kindHello, hello{Version: version, Onion: friend}), message(kindGreeting, peer.Signature{})))
	f.Add([]byte{byte(kindHello), 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		e := &Endpoint{Parent: strict{t}, Log: slog.New(slog.DiscardHandler)}
		e.Set(link.Peers{Friends: []link.Friend{{Onion: link.Key(friend)}}})
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			e.ServeConn(t.Context(), there, endpoint.Visitor{})
			there.Close()
		}()
		go io.Copy(io.Discard, here)
		here.SetWriteDeadline(time.Now().Add(time.Minute))
		here.Write(b)
		here.Close()
		<-done
	})
}

// strict is a parent that believes every step of a pairing, but is told nothing
// about friends, since nobody has proved to be one.
type strict struct{ t *testing.T }

func (s strict) Pair(_ context.Context, p link.Pairing) (link.Paired, error) {
	if p.Step < link.PairClaim || p.Step > link.PairFinish {
		s.t.Errorf("the parent was asked for step %d", p.Step)
	}
	return link.Paired{Confirmed: true}, nil
}

func (s strict) Seen(context.Context, link.Seen) error {
	s.t.Error("the parent was told of a friend")
	return nil
}

func FuzzAbout(f *testing.F) {
	f.Add([]byte(`{"endpoints":["gopher"],"offers":[{"name":"photos","onion":"` + strings.Repeat("0a", 32) + `"}],"taken":["` +
		strings.Repeat("0b", 16) + `"]}`))
	f.Add([]byte(`{"introduced":[{"token":"` + strings.Repeat("0c", 16) + `","role":1,"onion":"` + strings.Repeat("0a", 32) +
		`","name":"bob","expires":1}]}`))
	f.Add([]byte(`{"offers":[{"name":"../x"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAbout(b)
		if err != nil {
			return
		}
		if len(a.Offers) > peer.MaxOffers || len(a.Endpoints) > peer.MaxEndpoints || len(a.Introduced) > peer.MaxIntroductions ||
			len(a.Taken) > peer.MaxIntroductions {
			t.Errorf("too much was taken: %+v", a)
		}
		for _, o := range a.Offers {
			if strings.ContainsAny(o.Name, "./ \x00") || len(o.Name) > 30 || o.Name == "" {
				t.Errorf("the name %q was taken", o.Name)
			}
		}
	})
}

// An attempt that ends when nobody is to be called any more leaves no status of that box.
func TestNoteOfNobody(t *testing.T) {
	d := &Dialer{status: make(map[peer.Key]link.PeerStatus)}
	ctx, cancel := context.WithCancel(t.Context())
	if !d.note(ctx, peer.Key{1}, nil) || len(d.Status()) != 1 {
		t.Errorf("%v", d.Status())
	}
	cancel()
	if d.note(ctx, peer.Key{2}, nil) || len(d.Status()) != 1 {
		t.Errorf("%v", d.Status())
	}
}
