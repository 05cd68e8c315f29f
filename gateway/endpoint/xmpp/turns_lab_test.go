//go:build lab

package xmpp

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// question asks an archive for a page of messages (XEP-0313, XEP-0059).
func question(to, set string) string {
	return fmt.Sprintf("<iq type='set' to='%s' id='q'><query xmlns='urn:xmpp:mam:2'><set "+
		"xmlns='http://jabber.org/protocol/rsm'>%s</set></query></iq>", to, set)
}

// flood are messages of bob's, with which an archive is full.
func flood(n, bytes int) (lines []string) {
	for i := range n {
		lines = append(lines, item(i, bob, bob, strings.Repeat("flood ", bytes/6)))
	}
	return lines
}

// keepRoom writes what is in a room's archive already.
func (b *box) keepRoom(room string, lines []string) {
	b.t.Helper()
	path := b.file(Rooms(b.conf.Host), "muc_log", room)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	said := strings.NewReplacer(bob+"/x", room+"@"+Rooms(b.conf.Host)+"/bob", `"`+bob+`"`, `"message<groupchat"`, `["type"] = "chat"`,
		`["type"] = "groupchat"`)
	if err := os.WriteFile(path, []byte(said.Replace(strings.Join(lines, ""))), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.own()
}

// pause is how long the server does nothing but take one message for alice.
func pause(c *client) time.Duration {
	c.t.Helper()
	began := time.Now()
	c.send(alice, "one word more")
	c.ask("get", c.jid, "<ping xmlns='urn:xmpp:ping'/>")
	return time.Since(began)
}

// TestFullArchive: a full archive is made shorter in less time than it takes to
// read it once, which happens once after a start.
func TestFullArchive(t *testing.T) {
	a, _, _ := boxes(t)
	a.account("user1")
	var reads, cuts []time.Duration
	for range 3 {
		a.keep("alice", append([]string{item(0, "user1@"+hostA, "user1@"+hostA, "old word")}, flood(9998, 300)...)...)
		a.start()
		c := a.login("user1")
		reads = append(reads, pause(c))
		cuts = append(cuts, pause(c))
		a.kill()
		archive, err := os.ReadFile(a.file(hostA, "archive", "alice"))
		if n := strings.Count(string(archive), "item("); err != nil || n < 7000 || n > 7600 {
			t.Errorf("%v, the archive has %d items", err, n)
		}
		if n := strings.Count(string(archive), "word"); n != 5 { // of two, the id says it too
			t.Errorf("%d words of user1 are left", n)
		}
	}
	slices.Sort(reads)
	slices.Sort(cuts)
	t.Logf("reading takes %s, a quarter less %s", reads, cuts)
	if cuts[0] > reads[0]/2 {
		t.Errorf("a full archive takes %s, and reading it %s", cuts[0], reads[0])
	}
}

// TestAfterAPowerCut: what a list has lost at its end costs nothing that came before
// or comes after.
func TestAfterAPowerCut(t *testing.T) {
	a, _, _ := boxes(t)
	a.account("user1")
	whole, torn := item(0, bob, bob, "whole"), item(1, bob, bob, "torn")
	for name, rest := range map[string]string{"a part": torn[:len(torn)/2], "zeros": strings.Repeat("\x00", 300)} {
		a.keep("alice", whole+rest)
		a.start()
		pause(a.login("user1"))
		alices := a.login("alice")
		answer := alices.ask("set", alice, `<query xmlns="urn:xmpp:mam:2"/>`)
		if !strings.Contains(answer.Inner, "<count>2</count>") {
			t.Errorf("%s: the archive answers %s", name, answer.Inner)
		}
		a.kill()
	}
}

var (
	ids  = regexp.MustCompile(`<result [^>]*\bid='([^']+)'|<result [^>]*\bid="([^"]+)"`)
	last = regexp.MustCompile(`<(first|last)[^>]*>([^<]+)</`)
)

// TestPages: a client that reads a whole archive page by page, in either
// direction, sees each message once, though pages have a bound in bytes too.
func TestPages(t *testing.T) {
	a, _, _ := boxes(t)
	var lines, want []string
	for i := range 300 {
		bytes := 60
		if i%10 < 3 {
			bytes = 30000
		}
		lines = append(lines, item(i, bob, bob, strings.Repeat("flood ", bytes/6)))
		want = append(want, fmt.Sprint("old", i))
	}
	a.keep("alice", lines...)
	a.start()
	c := a.login("alice")
	for name, way := range map[string]struct{ first, edge, next string }{
		"forward":  {"<max>50</max>", "last", "<max>50</max><after>%s</after>"},
		"backward": {"<max>50</max><before/>", "first", "<max>50</max><before>%s</before>"},
	} {
		var seen []string
		set, pages, complete := way.first, 0, false
		for ; !complete && pages < 100; pages++ {
			c.say("%s", question(alice, set))
			page, fin := c.page()
			if way.edge == "first" {
				seen = append(page, seen...)
			} else {
				seen = append(seen, page...)
			}
			complete = strings.Contains(fin, "complete='true'") || strings.Contains(fin, `complete="true"`)
			for _, m := range last.FindAllStringSubmatch(fin, -1) {
				if m[1] == way.edge {
					set = fmt.Sprintf(way.next, m[2])
				}
			}
		}
		if !slices.Equal(seen, want) || pages < 10 || !complete {
			t.Errorf("%s: %d messages on %d pages: %v", name, len(seen), pages, seen)
		}
	}
}

// page are the ids of the messages of an answer, and how it ends.
func (c *client) page() (found []string, fin string) {
	c.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case m := <-c.got:
			if id := ids.FindStringSubmatch(m.All); id != nil {
				found = append(found, id[1]+id[2])
			}
		case answer := <-c.iqs:
			for len(c.got) > 0 { // they came before it
				if id := ids.FindStringSubmatch((<-c.got).All); id != nil {
					found = append(found, id[1]+id[2])
				}
			}
			return found, answer.Inner
		case <-timeout:
			c.t.Fatal("no answer of an archive")
		}
	}
}

// repeat writes the same 500 times a second, about as fast as the server reads it,
// until the function that it returns is called, which says how often that was.
// Faster, and what it wrote before would still be on its way.
func (c *client) repeat(text string) (stop func() int) {
	done, wrote := make(chan struct{}), make(chan int)
	tick := time.NewTicker(2 * time.Millisecond)
	go func() {
		for n := 0; ; {
			select {
			case <-done:
				tick.Stop()
				wrote <- n
				return
			case <-c.got:
			case <-c.iqs:
			case <-tick.C:
				fmt.Fprint(c.conn, text)
				n++
			}
		}
	}()
	return func() int { close(done); return <-wrote }
}

// beside returns how long nine of ten words between two people take beside pings of
// somebody else, and beside as many bytes of questions to an archive.
func beside(t *testing.T, c *client, archive, host string, one, two *client, then func()) (pings, questions time.Duration) {
	t.Helper()
	ask := question(archive, "<max>50</max><before/>")
	ping := fmt.Sprintf("<iq type='get' to='%s' id='p'><ping xmlns='urn:xmpp:ping'/></iq>", host)
	words := func() time.Duration {
		list := waits(t, one, two, 60, 100*time.Millisecond)
		slices.Sort(list)
		return list[len(list)*9/10]
	}
	stop := c.repeat(ping + strings.Repeat(" ", len(ask)-len(ping)))
	time.Sleep(5 * time.Second) // the server begins to read no faster
	pings = words()
	n := stop()
	stop = c.repeat(ask)
	time.Sleep(5 * time.Second)
	then()
	questions = words()
	t.Logf("nine of ten words take up to %s beside %d pings, and %s beside %d questions", pings, n, questions, stop())
	return pings, questions
}

// TestQuestionsOfAFriend: a friend who asks a full room as fast as the box reads
// keeps people from speaking no more than one who sends as many pings, and
// nobody from asking.
func TestQuestionsOfAFriend(t *testing.T) {
	long(t)
	a, b, _ := boxes(t)
	names := ordinary(a)[:3]
	a.keepRoom("hall", flood(9000, 600))
	a.start()
	b.start()
	room := "hall@" + Rooms(hostA)
	enter := func(c *client, nick string) {
		c.say("<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>", room, nick)
	}
	one, two, three := a.login(names[0]), a.login(names[1]), a.login(names[2])
	enter(three, "three") // makes the room
	bobs := b.login("bob")
	enter(bobs, "bob")
	bobs.ask("set", room, "<query xmlns='urn:xmpp:mam:2'/>")
	var asked []time.Duration
	before, during := beside(t, bobs, room, Rooms(hostA), one, two, func() {
		for range 5 {
			began := time.Now()
			three.say("%s", question(room, "<max>20</max><before/>"))
			if found, fin := three.page(); len(found) != 20 {
				t.Errorf("the room says %d messages to one who asks as ever: %s", len(found), fin)
			}
			asked = append(asked, time.Since(began))
		}
	})
	t.Logf("who asks as ever is answered after %s", asked)
	if during > 2*max(before, 50*time.Millisecond) {
		t.Errorf("nine of ten words take up to %s instead of %s", during, before)
	}
	if mean(asked) > 3*time.Second {
		t.Errorf("who asks as ever waits for %s", mean(asked))
	}
}

// device logs a user in and reads nothing more.
func (b *box) device(user string) *client {
	b.t.Helper()
	c := connect(b.t, "127.0.0.1", net.JoinHostPort(b.addr, fmt.Sprint(clientPort)), b.conf.Host)
	if answer := c.authenticate(user, password); answer != "success" {
		b.t.Fatal(answer)
	}
	c.open(b.conf.Host)
	c.say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
	c.expect("iq")
	_ = c.conn.SetDeadline(time.Time{})
	return c
}

// TestQuestionsOfADevice: the same of a device in the house, which asks for the
// largest pages and reads them as fast as they come.
func TestQuestionsOfADevice(t *testing.T) {
	a, _, _ := boxes(t)
	names := ordinary(a)[:2]
	a.keep("alice", flood(1800, 4000)...)
	a.start()
	one, two, c := a.login(names[0]), a.login(names[1]), a.device("alice")
	go func() { _, _ = io.Copy(io.Discard, c.conn) }()
	before, during := beside(t, c, alice, hostA, one, two, func() {})
	if during > 2*max(before, 50*time.Millisecond) {
		t.Errorf("nine of ten words take up to %s instead of %s", during, before)
	}
}

// TestEntries: one friend who comes into a room again and again is told so often
// what was said there, and whoever comes next is told it too.
func TestEntries(t *testing.T) {
	a, b, _ := boxes(t)
	a.account("user1")
	a.keepRoom("hall", flood(100, 600))
	a.start()
	b.start()
	enter := func(c *client, kind string) {
		c.say("<presence to='hall@%s/%s' %s><x xmlns='http://jabber.org/protocol/muc'/></presence>", Rooms(hostA), c.jid[:3], kind)
	}
	told := func(c *client, limit time.Duration) (n int) {
		for m, ok := c.next(limit); ok; m, ok = c.next(5 * time.Second) {
			if strings.HasPrefix(m.Body, "flood") {
				n++
			}
		}
		return n
	}
	alices := a.login("alice")
	enter(alices, "") // makes the room
	bobs := b.login("bob")
	began := time.Now()
	sum := make(chan int)
	go func() { sum <- told(bobs, arrivalTime) }()
	const times = 100
	for range times {
		enter(bobs, "")
		enter(bobs, "type='unavailable'")
	}
	if n, most := <-sum, 20*(21+int(time.Since(began).Seconds())); n < 20 || n > min(most, 20*times*9/10) {
		t.Errorf("bob is told %d messages", n)
	}
	users := a.login("user1")
	enter(users, "")
	if n := told(users, arrivalTime); n != 20 {
		t.Errorf("user1 is told %d messages", n)
	}
}

// TestWhoDoesNotRead: a device that asks and takes no answers fills no memory.
func TestWhoDoesNotRead(t *testing.T) {
	a, _, _ := boxes(t)
	a.account("user1")
	a.keep("alice", flood(9000, 600)...)
	a.edit = func(text string) string { return strings.ReplaceAll(text, "100kb/s", "100mb/s") }
	a.start()
	other := a.login("user1")
	c := a.device("alice")
	c.say("%s", question(alice, "<max>50</max>"))
	c.expect("iq")
	pid := a.cmd.Process.Pid
	before := data(pid)
	for range 4000 {
		c.say("%s", question(alice, "<max>50</max>"))
	}
	most := before
	for range 20 {
		other.ask("get", other.jid, "<ping xmlns='urn:xmpp:ping'/>")
		most = max(most, data(pid))
		time.Sleep(250 * time.Millisecond)
	}
	t.Logf("Prosody has %d MB of data before 4000 questions, and at most %d MB then", before/mb, most/mb)
	if most > before+8*mb {
		t.Errorf("it takes %d MB more", (most-before)/mb)
	}
}

// TestLongQuestions: the name that somebody gives a question stands in each message of
// the answer, and makes no answer long.
func TestLongQuestions(t *testing.T) {
	a, _, _ := boxes(t)
	a.account("user1")
	a.keep("alice", flood(100, 60)...)
	a.start()
	c, other := a.device("alice"), a.login("user1")
	ask := func(name string) {
		c.say("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' queryid='%s'><set "+
			"xmlns='http://jabber.org/protocol/rsm'><max>50</max></set></query></iq>", name)
	}
	ask("short")
	c.expect("iq")
	before := data(a.cmd.Process.Pid)
	ask(strings.Repeat("x", 200<<10))
	most := before
	for range 30 {
		other.ask("get", other.jid, "<ping xmlns='urn:xmpp:ping'/>")
		most = max(most, data(a.cmd.Process.Pid))
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("Prosody has %d MB of data before the question, and at most %d MB then", before/mb, most/mb)
	if most > before+4*mb {
		t.Errorf("it takes %d MB more", (most-before)/mb)
	}
}
