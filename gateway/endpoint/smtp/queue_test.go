package smtp

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/endpoint/smtp/spool"
	"tunic/gateway/onion"
)

// write makes a user of the house send a mail.
func (h *house) write(to, subject string) {
	h.t.Helper()
	h.login("ann").bring(h.at("ann"), to, "From: "+h.at("ann")+"\r\nTo: "+to+"\r\nSubject: "+subject+"\r\n\r\nx\r\n", "250 ")
}

// unreached returns the queue when the dial for its one mail has failed, or a
// while has passed.
func (h *house) unreached() []Waiting {
	var q []Waiting
	soon(func() bool {
		q = h.Queue()
		return len(q) == 1 && q[0].Recipients[0].Reason != ""
	})
	return q
}

func TestMailWaitsUntilTheFriendIsThere(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	n.mu.Lock()
	n.down[b.key] = true
	n.mu.Unlock()
	begin := time.Now()
	a.write(b.at("bob"), "one")
	q := a.unreached()
	if len(q) != 1 || !strings.Contains(q[0].Recipients[0].Reason, "nobody is there") || q[0].Next.Sub(begin) < redial/2 {
		t.Fatalf("the queue is %+v", q)
	}
	a.write(b.at("bob"), "two") // does not dial a box again that was just away
	a.stop()
	a.start() // and nothing is forgotten
	n.mu.Lock()
	n.down[b.key] = false
	n.mu.Unlock()
	befriend(a, b)
	a.Hello(b.key)
	if got := b.mail("bob", 2); len(got) != 2 {
		t.Errorf("%d mails arrived, want 2", len(got))
	}
	a.idle()
}

// A dial that failed may hang for reasons of its circuits: the next one is soon,
// on others.
func TestNextDialIsFresh(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	set := func(down bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.down[b.key] = down
	}
	set(true)
	a.write(b.at("bob"), "one")
	a.unreached()
	if n.mu.Lock(); n.fresh[0] {
		t.Error("the first dial is fresh")
	}
	n.mu.Unlock()
	set(false)
	a.queue.mu.Lock()
	a.queue.lanes[lane(b.key)].next = time.Time{} // its time has come
	a.queue.mu.Unlock()
	a.queue.kick()
	if got := b.mail("bob", 1); len(got) != 1 {
		t.Fatalf("%d mails arrived, want 1", len(got))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.fresh) < 2 || !n.fresh[1] {
		t.Errorf("of the dials are fresh: %v", n.fresh)
	}
}

// A box that answers is not one to be dialled again at once: it may count logins.
func TestRefusedConnectionWaitsLonger(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	a.Dial = func(context.Context, onion.Address, bool) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			io.WriteString(theirs, "421 4.3.2 come back later\r\n")
		}()
		return ours, nil
	}
	begin := time.Now()
	a.write(b.at("bob"), "one")
	q := a.unreached()
	if len(q) != 1 || !strings.Contains(q[0].Recipients[0].Reason, "come back later") || q[0].Next.Sub(begin) < firstRetry/2 {
		t.Errorf("the queue is %+v", q)
	}
}

func TestBackoffGrowsWithJitter(t *testing.T) {
	for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		if d := backoff(firstRetry, i); d < want*3/4 || d > want*5/4 {
			t.Errorf("backoff(firstRetry, %d) = %s", i, d)
		}
	}
	if d := backoff(redial, 1000); d > lastRetry*5/4 || d < lastRetry*3/4 {
		t.Errorf("backoff(redial, 1000) = %s", d)
	}
}

// A mail that nobody takes comes back to its sender, in a form that programs
// understand (RFC 3464).
func TestRefusedMailComesBack(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	a.write(b.at("nobody"), "lost")
	got := a.mail("ann", 1)
	if len(got) != 1 {
		t.Fatalf("%d notices arrived", len(got))
	}
	for _, want := range []string{"multipart/report; report-type=delivery-status", "Action: failed\r\nStatus: 5.1.1\r\n",
		"Final-Recipient: rfc822; " + b.at("nobody"), "nobody@bea.peer.home.arpa", "nobody here has this address", "Subject: lost"} {
		if !strings.Contains(got[0], want) {
			t.Errorf("the notice does not hold %q:\n%s", want, got[0])
		}
	}
	a.idle()
	if len(a.mail("ann", 0)) != 1 {
		t.Error("there is more than one notice")
	}
}

func TestOldMail(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	n.mu.Lock()
	n.down[b.key] = true
	n.mu.Unlock()
	for i, age := range []time.Duration{warnAfter + time.Minute, giveUp + time.Minute} {
		d := a.spool.Draft()
		defer d.Close()
		e := &spool.Envelope{ID: fmt.Sprintf("message-%d", i), From: a.at([]string{"ann", "bob"}[i]), Origin: spool.Submitted,
			Arrived: time.Now().Add(-age), Recipients: waiting(b.at("bob"))}
		if err := a.spool.Commit(e, "Subject: old\r\n\r\n", d); err != nil {
			t.Fatal(err)
		}
		a.queue.add(e, true)
	}
	a.Hello(b.key)
	if got := a.mail("ann", 1); len(got) != 1 || !strings.Contains(got[0], "Action: delayed") {
		t.Errorf("the first sender got %q", got)
	}
	if got := a.mail("bob", 1); len(got) != 1 || !strings.Contains(got[0], "Action: failed") || !strings.Contains(got[0], "five days") {
		t.Errorf("the second sender got %q", got)
	}
	soon(func() bool { return len(a.Queue()) == 1 }) // when the notices are delivered
	q := a.Queue()
	if len(q) != 1 || q[0].ID != "message-0" {
		t.Errorf("the queue is %+v", q)
	}
	a.queue.late(t.Context(), lane(b.key), "x") // a notice is in the queue when it returns, until it is delivered
	soon(func() bool { return len(a.Queue()) == 1 })
	if got := a.mail("ann", 0); len(got) != 1 {
		t.Errorf("the first sender got %d notices", len(got))
	}
}

func TestQueueVerbs(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	n.mu.Lock()
	n.down[b.key] = true
	n.mu.Unlock()
	a.write(b.at("bob"), "one")
	a.write(b.at("bob"), "two")
	q := a.Queue()
	if len(q) != 2 || q[0].Arrived.After(q[1].Arrived) {
		t.Fatalf("the queue is %+v", q)
	}
	w, err := a.Show(q[0].ID[:10])
	if err != nil || !strings.Contains(w.Header, "Subject: one") || strings.HasSuffix(w.Header, "x\r\n") {
		t.Errorf("Show = %+v, %v", w, err)
	}
	if _, err := a.Show("ffffffff"); err == nil {
		t.Error("Show of nothing")
	}
	if err := a.Drop(q[0].ID[:10]); err != nil {
		t.Error(err)
	}
	if _, err := a.Flush("carl"); err == nil {
		t.Error("Flush of nobody")
	}
	n.mu.Lock()
	n.down[b.key] = false
	n.mu.Unlock()
	soon(func() bool { // what is being tried does not count
		a.queue.mu.Lock()
		defer a.queue.mu.Unlock()
		l := a.queue.lanes[lane(b.key)]
		return l.active == 0 && len(l.items) > 0
	})
	if k, err := a.Flush("bea"); err != nil || k == 0 {
		t.Errorf("Flush = %d, %v", k, err)
	}
	if got := b.mail("bob", 1); len(got) != 1 || field(t, got[0], "Subject") != "two" {
		t.Errorf("arrived: %q", got)
	}
}

// Everybody gets every mail of a group once, also those who do not know each
// other, and each sees that the author has signed.
func TestGroup(t *testing.T) {
	n := newNetwork()
	a, b, c := n.build(t, "a"), n.build(t, "b"), n.build(t, "c")
	group := Group{Name: "choir", Title: "The Choir", Members: []string{a.at("ann"), b.at("bob"), c.at("bob")}}
	a.knows([]Group{group}, map[string]*house{"bea": b, "carl": c})
	b.knows(nil, map[string]*house{"abe": a})
	c.knows(nil, map[string]*house{"abe": a})
	d := b.login("bob")
	d.bring(b.at("bob"), a.at("choir"),
		"From: Bob <"+b.at("bob")+">\r\nTo: choir@abe.peer.home.arpa\r\nSubject: song\r\n\r\nla\r\n", "250 ")
	for _, m := range []struct {
		h    *house
		user string
	}{{a, "ann"}, {b, "bob"}, {c, "bob"}} {
		got := m.h.mail(m.user, 1)
		if len(got) != 1 {
			t.Fatalf("%s got %d mails", m.user, len(got))
		}
		if id := field(t, got[0], "List-Id"); id != `"The Choir" <choir.`+domainOf(lane(a.key))+">" {
			t.Errorf("List-Id: %s", id)
		}
		if from := field(t, got[0], "From"); from != "Bob <"+b.at("bob")+">" {
			t.Errorf("From: %s", from)
		}
		if m.h != a && !strings.Contains(field(t, got[0], "Authentication-Results"), "header.d="+domainOf(lane(b.key))) {
			t.Errorf("the author is not proved:\n%s", got[0])
		}
	}
	for _, h := range []*house{a, b, c} {
		h.idle()
	}
	if x := len(a.mail("ann", 0)) + len(b.mail("bob", 0)) + len(c.mail("bob", 0)); x != 3 {
		t.Errorf("%d mails arrived, want 3", x)
	}
	// Who is no member is told so, and a mail that comes back goes no further.
	d = b.login("ann")
	d.bring(b.at("ann"), a.at("choir"), "From: "+b.at("ann")+"\r\n\r\nx\r\n", "250 ")
	if got := b.mail("ann", 1); len(got) != 1 || !strings.Contains(got[0], "only its members") {
		t.Errorf("alice got %q", got)
	}
	d = b.login("bob")
	d.bring(b.at("bob"), a.at("choir"), "From: "+b.at("bob")+"\r\nList-Id: <choir."+domainOf(lane(a.key))+">\r\n\r\nx\r\n", "250 ")
	b.idle()
	a.idle()
	if got := c.mail("bob", 0); len(got) != 1 {
		t.Errorf("a mail went round: %d", len(got))
	}
}

// What was under way when a process was killed is delivered once.
func TestDeliveryAfterACrash(t *testing.T) {
	n := newNetwork()
	a := n.build(t, "a") // delivers nothing before it knows its home
	d := a.spool.Draft()
	defer d.Close()
	e := &spool.Envelope{ID: "message-1", From: "", Origin: spool.Received, Arrived: time.Now(), Recipients: waiting(a.at("ann"))}
	if err := a.spool.Commit(e, "Subject: x\r\n\r\n", d); err != nil {
		t.Fatal(err)
	}
	if err := a.queue.store(e, "ann", false); err != nil { // the message is there, and nobody has noted it
		t.Fatal(err)
	}
	paths, _ := filepath.Glob(filepath.Join(a.dir, "ann", "Maildir", "new", "*"))
	if len(paths) != 1 {
		t.Fatalf("%d files", len(paths))
	}
	read := filepath.Join(a.dir, "ann", "Maildir", "cur", filepath.Base(paths[0])+":2,S")
	if err := os.Rename(paths[0], read); err != nil {
		t.Fatal(err)
	}
	a.stop()
	a.start()
	a.knows(nil, nil)
	a.idle()
	if got := a.mail("ann", 0); len(got) != 0 {
		t.Errorf("it was delivered again: %d", len(got))
	}
}

// Mail for a friend who is none any more comes back at once.
func TestForgottenFriend(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	n.mu.Lock()
	n.down[b.key] = true
	n.mu.Unlock()
	a.write(b.at("bob"), "one")
	a.unreached() // now it waits for some seconds
	a.knows(nil, nil)
	if got := a.mail("ann", 1); len(got) != 1 || !strings.Contains(got[0], "not connected with that one any more") {
		t.Errorf("alice got %q", got)
	}
}

// What a recipient has, or will never get, does not wait for its box; and who
// makes one destination due leaves the others.
func TestOnlyWhatWaitsIsQueued(t *testing.T) {
	n := newNetwork()
	a, b, c := n.build(t, "a"), n.build(t, "b"), n.build(t, "c")
	a.knows(nil, map[string]*house{"bea": b, "cea": c})
	a.stop()
	q := a.queue
	to := waiting(b.at("bob"))
	to = append(to, spool.Recipient{To: c.at("carol"), State: spool.Delivered})
	q.add(&spool.Envelope{ID: "message-0", Recipients: to, Arrived: time.Now()}, false)
	if l := q.lanes[lane(c.key)]; l != nil {
		t.Errorf("a message that was delivered waits: %+v", l.items)
	}
	if l := q.lanes[lane(b.key)]; l == nil || len(l.items) != 1 {
		t.Fatalf("a message that waits does not: %+v", l)
	}
	if other, all := q.flush(lane(c.key)), q.flush(""); other != 0 || all != 1 {
		t.Errorf("flushed %d of another box, %d of all", other, all)
	}
}

// The power went after a failure was noted and before its sender was told: the
// next process tells it, once.
func TestFailureIsToldAtTheNextStart(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	d := a.spool.Draft()
	defer d.Close()
	e := &spool.Envelope{ID: "message-0", From: a.at("ann"), Origin: spool.Submitted, Arrived: time.Now(),
		Recipients: []spool.Recipient{{To: b.at("bob"), State: spool.Failed, Status: "5.1.1", Reason: "nobody"}}}
	if err := a.spool.Commit(e, "Subject: lost\r\n\r\n", d); err != nil {
		t.Fatal(err)
	}
	a.stop()
	a.start()
	befriend(a, b)
	if got := a.mail("ann", 1); len(got) != 1 || !strings.Contains(got[0], "Action: failed") {
		t.Fatalf("told %q", got)
	}
	a.idle()
	if got := a.mail("ann", 0); len(got) != 1 {
		t.Errorf("%d notices", len(got))
	}
}
