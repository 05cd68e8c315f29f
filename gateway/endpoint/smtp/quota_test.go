package smtp

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/maildir"
	"tunic/gateway/endpoint/smtp/spool"
	"tunic/gateway/onion"
)

// text is a stranger's mail of about a size.
func strangersText(size int) string {
	return "From: x@spam.example\r\n\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", size/100)
}

// Strangers fill their share, and neither they nor friends feel the others' mail.
func TestStrangersHaveAShare(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	door, _ := identity("s")
	b.Set(Config{Home: b.key, Strangers: door, MaxSize: 1 << 20, Quota: 2 << 20, Friends: map[string]onion.Address{"abe": a.key}})
	stranger := func(want string) {
		d := b.knock(b.Friends(), door.Host())
		defer d.conn.Close()
		d.say("EHLO x", "250 ")
		d.say("MAIL FROM:<x@spam.example>", "250 ")
		d.say("RCPT TO:<bob@"+address.Domain(door)+">", want)
		if want == "250 " {
			d.say("DATA", "354 ")
			d.say(strangersText(300<<10)+".", "250 ")
			b.idle()
		}
	}
	for _, want := range []string{"250 ", "250 ", "452 4.2.2 "} {
		stranger(want)
	}
	d := b.friend()
	d.say("MAIL FROM:<"+a.at("ann")+"> SIZE=1000000", "250 ")
	d.say("RCPT TO:<"+b.at("bob")+">", "250 ")
	// The marks survive what mail programs do, and a measurement.
	m := b.usage.of("bob")
	before := m.strangers.Load()
	m.at = time.Time{}
	if err := m.measure(b.maildir("bob")); err != nil || m.strangers.Load() != before || before < 600<<10 || m.others.Load() != 0 {
		t.Errorf("measured %d of strangers, before %d; %d of others; %v", m.strangers.Load(), before, m.others.Load(), err)
	}
	for i := range 3 { // a full mailbox of friends' mail is nothing that strangers hear of
		name := maildir.Name(time.Now(), fmt.Sprint(i), 1<<20, false)
		if err := os.WriteFile(filepath.Join(b.maildir("ann"), "new", name), nil, 0o600); os.IsNotExist(err) {
			if err := maildir.Ensure(b.maildir("ann")); err != nil {
				t.Fatal(err)
			}
			os.WriteFile(filepath.Join(b.maildir("ann"), "new", name), nil, 0o600)
		}
	}
	d.say("RCPT TO:<"+b.at("ann")+">", "452 4.2.2 ")
	s := b.knock(b.Friends(), door.Host())
	s.say("EHLO x", "250 ")
	s.say("MAIL FROM:<x@spam.example>", "250 ")
	s.say("RCPT TO:<ann@"+address.Domain(door)+">", "250 ")
}

// Many small mails fill a mailbox as few large ones do.
func TestSmallMailsCount(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	dir := filepath.Join(b.maildir("bob"), "cur")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 4 << 20 / 4096 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.x,S=10:2,S", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := b.friend()
	d.say("MAIL FROM:<"+a.at("ann")+">", "250 ")
	d.say("RCPT TO:<"+b.at("bob")+">", "452 4.2.2 ")
}

// A delivery waits for no listing of a mailbox.
func TestDeliveryWaitsForNoMeasurement(t *testing.T) {
	b := newNetwork().build(t, "b")
	m := b.usage.of("bob")
	m.mu.Lock()
	defer m.mu.Unlock()
	done := make(chan struct{})
	go func() {
		b.grew("bob", &spool.Envelope{Size: 1})
		b.usage.of("ann")
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
}

// Mail of a group that waits for a member who is off has a bound.
func TestGroupsHaveAQuota(t *testing.T) {
	n := newNetwork()
	a, b, c := n.build(t, "a"), n.build(t, "b"), n.build(t, "c")
	n.down[c.key] = true
	b.Set(Config{Home: b.key, MaxSize: 1 << 20, Quota: 1 << 20, Friends: map[string]onion.Address{"abe": a.key, "cea": c.key},
		Groups: []Group{{Name: "choir", Members: []string{a.at("ann"), c.at("ann")}}, {Name: "band", Members: []string{a.at("ann")}}}})
	a.knows(nil, map[string]*house{"bea": b})
	send := func(i int, to, want string) {
		d := b.friend()
		defer d.conn.Close()
		d.say("MAIL FROM:<"+a.at("ann")+"> SIZE=400000", "250 ")
		d.say("RCPT TO:<"+b.at(to)+">", want)
		if want == "250 " {
			d.say("DATA", "354 ")
			d.say(a.signed(fmt.Sprintf("From: <%s>\r\n%s: <message-%d@%s>\r\n\r\n%s", a.at("ann"), transferField, i, address.Domain(a.key),
				strings.Repeat(strings.Repeat("x", 98)+"\r\n", 4000)))+".", "250 ")
		}
	}
	send(1, "choir", "250 ")
	send(2, "choir", "250 ")
	send(3, "choir", "452 4.2.2 much mail of this group")
	send(4, "band", "250 ")
}

// Who wrote where everybody may come hears nothing in the box's name: not that a
// recipient is gone, nor anything by way of the internet.
func TestStrangersGetNoNotices(t *testing.T) {
	n := newNetwork()
	b, c := n.build(t, "b"), n.build(t, "c")
	b.knows(nil, map[string]*house{"cea": c})
	n.down[c.key] = true // a notice would wait
	e := &spool.Envelope{ID: spool.NewID(), From: c.at("ann"), Origin: spool.Received, Stranger: true, Arrived: time.Now(),
		Recipients: waiting(b.at("nobody"))}
	in, err := b.read(strings.NewReader(strangersText(100)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.body.Close()
	if err := b.commit(e, nil, in.header, in.body); err != nil {
		t.Fatal(err)
	}
	b.idle()
}
