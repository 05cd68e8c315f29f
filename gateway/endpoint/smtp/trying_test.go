package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tunic/gateway/endpoint/smtp/spool"
	"tunic/gateway/onion"
)

// Who is there, or makes mail due, while a try is under way that fails, does not
// wait for its pause.
func TestFlushDuringATry(t *testing.T) {
	for what, fail := range map[string]func(net.Conn) error{
		"nobody answers": func(net.Conn) error { return errors.New("nobody is there") },
		"the mail is refused for now": func(conn net.Conn) error {
			go refuseForNow(conn)
			return nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			n := newNetwork()
			a, b := n.build(t, "a"), n.build(t, "b")
			dialled, tried, dial := make(chan struct{}, 1), make(chan struct{}), a.Dial
			var once sync.Once
			a.Dial = func(ctx context.Context, key onion.Address, fresh bool) (conn net.Conn, err error) {
				first := false
				once.Do(func() { first = true })
				if !first {
					return dial(ctx, key, fresh)
				}
				dialled <- struct{}{}
				<-tried
				ours, theirs := net.Pipe()
				return ours, fail(theirs)
			}
			befriend(a, b)
			a.write(b.at("bob"), "one")
			<-dialled
			a.Hello(b.key)
			close(tried)
			if got := b.mail("bob", 1); len(got) != 1 {
				t.Errorf("%d mails arrived, want 1: %+v", len(got), a.Queue())
			}
		})
	}
}

// A friend's box that calls all the time and takes no mail is not sent the same one each time.
func TestBoxThatCallsAllTheTime(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	var tries atomic.Int32
	a.Dial = func(context.Context, onion.Address, bool) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			refuseForNow(theirs)
			tries.Add(1)
		}()
		return ours, nil
	}
	a.write(b.at("bob"), "one")
	soon(func() bool { return tries.Load() == 1 })
	for range 10 {
		a.Hello(b.key)
		time.Sleep(20 * time.Millisecond)
	}
	if n := tries.Load(); n > 2 {
		t.Errorf("it was sent %d times", n)
	}
}

// A mail that a box refuses for now, again and again, and beside which none waits: its sender is told too.
func TestOldMailThatIsRefused(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	a.Dial = func(context.Context, onion.Address, bool) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go refuseForNow(theirs)
		return ours, nil
	}
	d := a.spool.Draft()
	defer d.Close()
	e := &spool.Envelope{ID: "message-0", From: a.at("ann"), Origin: spool.Submitted, Arrived: time.Now().Add(-giveUp - time.Minute),
		Recipients: waiting(b.at("bob"))}
	if err := a.spool.Commit(e, "Subject: old\r\n\r\n", d); err != nil {
		t.Fatal(err)
	}
	a.queue.add(e, true)
	if got := a.mail("ann", 1); len(got) != 1 || !strings.Contains(got[0], "Action: failed") || !strings.Contains(got[0], "five days") {
		t.Errorf("the sender got %q; the queue is %+v", got, a.Queue())
	}
}

// held is a connection on which what comes after the end of a message waits for another word.
type held struct {
	net.Conn
	sent, on chan struct{}
}

func (h *held) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	if strings.HasSuffix(string(p), "\r\n.\r\n") {
		h.sent <- struct{}{}
		<-h.on
	}
	return n, err
}

// A mail that is being sent is not sent once more beside that because something is set meanwhile,
// and is sent again if it was not taken.
func TestSetDuringATry(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	sent, on, dial := make(chan struct{}, 9), make(chan struct{}), a.Dial
	a.Dial = func(ctx context.Context, key onion.Address, fresh bool) (net.Conn, error) {
		conn, err := dial(ctx, key, fresh)
		return &held{conn, sent, on}, err
	}
	befriend(a, b)
	a.write(b.at("bob"), "one")
	<-sent
	befriend(a, b)
	a.queue.mu.Lock()
	if l := a.queue.lanes[lane(b.key)]; len(l.items) > 0 {
		t.Errorf("the mail that is being sent waits too: %+v", l.items)
	}
	a.queue.mu.Unlock()
	close(on)
	a.idle()
	if len(sent) > 0 || len(b.mail("bob", 1)) != 1 {
		t.Errorf("it was sent %d times more, and %d mails arrived", len(sent), len(b.mail("bob", 1)))
	}
}

// Who is no friend any more when the dial ends that waited for its turn gets nothing.
func TestForgottenDuringADial(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	dialled, on, dial := make(chan struct{}, 1), make(chan struct{}), a.Dial
	a.Dial = func(ctx context.Context, key onion.Address, fresh bool) (net.Conn, error) {
		dialled <- struct{}{}
		<-on
		return dial(ctx, key, fresh)
	}
	befriend(a, b)
	a.write(b.at("bob"), "one")
	<-dialled
	a.knows(nil, nil)
	close(on)
	if got := a.mail("ann", 1); len(got) != 1 || !strings.Contains(got[0], "not connected with that one any more") {
		t.Errorf("alice got %q", got)
	}
	if got := b.mail("bob", 0); len(got) != 0 {
		t.Errorf("who is no friend any more got %d mails", len(got))
	}
}

// A group may have more members at a box than one transaction takes.
func TestMoreThanATransaction(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	all, members := users{}, []string{a.at("ann")}
	for i := range maxRecipients + 1 {
		all = append(all, fmt.Sprint("user", i))
		members = append(members, b.at(all[i]))
	}
	b.People = func() People { return all }
	b.knows(nil, map[string]*house{"abe": a})
	a.knows([]Group{{Name: "choir", Members: members}}, map[string]*house{"bea": b})
	a.write(a.at("choir"), "song")
	for _, user := range []string{all[0], all[maxRecipients]} {
		if got := b.mail(user, 1); len(got) != 1 {
			t.Errorf("%s got %d mails", user, len(got))
		}
	}
}

// refuseForNow is a box that does not take a mail for now, and then goes away.
func refuseForNow(conn net.Conn) {
	defer conn.Close()
	io.WriteString(conn, "220 box\r\n")
	lines := bufio.NewScanner(conn)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "MAIL") {
		io.WriteString(conn, "250 ok\r\n")
	}
	io.WriteString(conn, "451 4.3.0 not now\r\n")
}
