package smtp

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
)

func TestNeverARelay(t *testing.T) {
	n := newNetwork()
	a, b, c := n.build(t, "a"), n.build(t, "b"), n.build(t, "c")
	befriend(a, b)
	d := b.friend()
	d.say("MAIL FROM:<"+a.at("ann")+">", "250 ")
	own := address.Domain(b.key)
	for _, to := range []string{
		"eve@example.com", c.at("bob"), a.at("ann"), "@" + own + ":eve@example.com", "eve%example.com@" + own,
		`"eve@example.com"@` + own, "example.com!eve@" + own, "eve@example.com@" + own, "eve@[127.0.0.1]", "eve@localhost",
		"bob@" + b.key.Host() + ".example.com", "bob@www." + b.key.Host(), "bob@box.home.arpa", "bob@abe.peer.home.arpa", "postmaster",
	} {
		d.say("RCPT TO:<"+to+">", "5")
	}
	d.say("RCPT TO:<bob@"+b.key.Host()+">", "250 ")
	if a.spool.All() != nil && len(b.Queue()) != 0 {
		t.Error("something is in the queue")
	}
}

// Nobody learns here who exists but by writing to them, and not for long.
func TestGuessingAddresses(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	d := b.friend()
	if x, y := d.say("VRFY bob", "252 "), d.say("VRFY nobody", "252 "); x != y {
		t.Errorf("VRFY tells: %q, %q", x, y)
	}
	d.say("EXPN all", "502 ")
	d.say("MAIL FROM:<"+a.at("ann")+">", "250 ")
	for i := range maxRefusals {
		d.say(fmt.Sprintf("RCPT TO:<x%d@%s>", i, address.Domain(b.key)), "550 5.1.1 ")
	}
	d.send("RCPT TO:<y@" + address.Domain(b.key) + ">\r\n")
	if line, err := d.text.ReadLine(); err == nil && !strings.HasPrefix(line, "421 ") {
		t.Errorf("after too many guesses: %q", line)
	}
}

func TestForgedSendersAreRefused(t *testing.T) {
	n := newNetwork()
	a, b, c := n.build(t, "a"), n.build(t, "b"), n.build(t, "c")
	befriend(a, b)
	c.knows(nil, nil)
	good := a.letter(a.at("ann"), b.at("bob"), "message-1")
	for what, x := range map[string]struct{ from, text, want string }{
		"good":             {a.at("ann"), good, "250 "},
		"unsigned":         {a.at("ann"), good[strings.Index(good, "\r\nFrom:")+2:], "550 5.7.22 "},
		"changed":          {a.at("ann"), strings.Replace(good, "hello", "hullo", 1), "550 5.7.22 "},
		"another's author": {a.at("ann"), a.letter(c.at("ann"), b.at("bob"), "message-2"), "550 5.7.22 "},
		"two authors":      {a.at("ann"), a.letter(a.at("ann")+">, <"+c.at("ann"), b.at("bob"), "message-3"), "550 5.7.22 "},
		"own author":       {a.at("ann"), a.letter(b.at("ann"), b.at("bob"), "message-4"), "550 5.7.22 "},
		"of the internet":  {a.at("ann"), a.letter("ann@example.com", b.at("bob"), "message-5"), "550 5.7.1 "},
		"petname":          {a.at("ann"), a.letter("ann@abe.peer.home.arpa", b.at("bob"), "message-6"), "501 5.1.3 "},
		"second author":    {a.at("ann"), "From: <eve@example.com>\r\n" + good, "550 5.6.0 "},
		"not the bringer":  {a.at("ann"), c.letter(c.at("ann"), b.at("bob"), "message-7"), "550 5.7.22 "},
		"notice":           {"", a.letter(a.at("MAILER-DAEMON"), b.at("bob"), "message-8"), "250 "},
		"foreign notice":   {"", c.letter(c.at("MAILER-DAEMON"), b.at("bob"), "message-9"), "550 5.7.1 "},
		"no header":        {a.at("ann"), "hello\r\n", "550 5.6.0 "},
	} {
		t.Run(what, func(t *testing.T) {
			d := b.friend()
			d.t = t
			d.bring(x.from, b.at("bob"), x.text, x.want)
			d.conn.Close()
		})
	}
	if got := b.mail("bob", 2); len(got) != 2 {
		t.Errorf("%d mails arrived, want 2", len(got))
	}
	d := b.friend()
	d.say("MAIL FROM:<"+c.at("ann")+">", "550 5.7.1 your box is not connected")
	d.say("MAIL FROM:<"+b.at("ann")+">", "550 5.7.1 this box does not write to itself")
	d.say("MAIL FROM:<eve@example.com>", "550 5.7.1 ")
}

// On the strangers' onion everybody may bring mail, and nobody may lie about an onion.
func TestStrangers(t *testing.T) {
	n := newNetwork()
	b, c := n.build(t, "b"), n.build(t, "c")
	door, _ := identity("s")
	c.knows(nil, nil)
	b.Set(Config{Home: b.key, Strangers: door, MaxSize: 1 << 20, Friends: map[string]onion.Address{}})
	for what, x := range map[string]struct{ from, text, want string }{
		"internet": {"eve@example.com", "From: eve@example.com\r\n\r\nhello\r\n", "250 "},
		"onion":    {c.at("ann"), c.letter(c.at("ann"), "x@example.com", "message-1"), "250 "},
		"forged":   {"eve@example.com", "From: " + c.at("ann") + "\r\n\r\nhello\r\n", "550 5.7.22 "},
		"bringer":  {c.at("ann"), "From: eve@example.com\r\n\r\nhello\r\n", "550 5.7.22 "},
	} {
		d := b.knock(b.Friends(), door.Host())
		if got := d.say("EHLO x", "250 "); strings.Contains(got, string(b.key)) {
			t.Errorf("%s: the greeting tells where friends come: %q", what, got)
		}
		d.bring(x.from, "bob@"+address.Domain(door), x.text, x.want)
		d.conn.Close()
	}
	b.knock(b.Friends(), b.key.Host()).say("EHLO x", "250 ")
	if got := b.mail("bob", 2); len(got) != 2 {
		t.Errorf("%d mails arrived, want 2", len(got))
	}
}

// A message cannot be hidden in another, whatever the next server believes a
// line to be. It is a stranger who tries, since nobody has to sign for it.
func TestSmuggling(t *testing.T) {
	b := newNetwork().build(t, "b")
	door, _ := identity("s")
	b.Set(Config{Home: b.key, Strangers: door, MaxSize: 1 << 20})
	for what, x := range map[string]struct{ end, want string }{
		"LF . LF": {"\n.\n", "550 5.6.0 "}, "LF . CR LF": {"\n.\r\n", "550 5.6.0 "}, "CR . CR": {"\r.\r", "550 5.6.0 "},
		"CR LF . LF": {"\r\n.\n", "550 5.6.0 "}, "CR": {"\r", "550 5.6.0 "}, "LF": {"\n", "550 5.6.0 "},
		"CR LF . CR": {"\r\n.\r", "250 "}, // the dot and the CR are dropped, and what follows is text
	} {
		t.Run(what, func(t *testing.T) {
			d := b.knock(b.Friends(), door.Host())
			d.t = t
			d.say("EHLO x", "250 ")
			d.bring("eve@example.com", "bob@"+address.Domain(door),
				"From: eve@example.com\r\n\r\none"+x.end+"MAIL FROM:<eve@example.com>\r\n", x.want)
			d.say("NOOP", "250 ")
			d.conn.Close()
		})
	}
	got := b.mail("bob", 1)
	if len(got) != 1 || !strings.HasSuffix(got[0], "one\r\nMAIL FROM:<eve@example.com>\r\n") {
		t.Errorf("arrived: %q", got)
	}
}

func TestSizesAndRoom(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	// A mailbox that is full takes nothing, and others do.
	dir := filepath.Join(b.dir, "bob", "Maildir", "cur")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "1.x,S=4190000:2,"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := b.friend()
	d.say(fmt.Sprintf("MAIL FROM:<%s> SIZE=%d", a.at("ann"), 1<<20+1), "552 5.3.4 ")
	d.bring(a.at("ann"), b.at("bob"), a.letter(a.at("ann"), b.at("bob"), "message-1")+strings.Repeat("0123456789abcde\r\n", 80000),
		"552 5.3.4 ")
	d = b.friend()
	d.say("MAIL FROM:<"+a.at("ann")+"> SIZE=5000", "250 ")
	d.say("RCPT TO:<"+b.at("bob")+">", "452 4.2.2 ")
	d.say("RCPT TO:<"+b.at("ann")+">", "250 ")
}

func TestChunksAndPipelines(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	d := b.friend()
	one := a.letter(a.at("ann"), b.at("bob"), "message-1")
	d.send("MAIL FROM:<" + a.at("ann") + ">\r\nRCPT TO:<nobody@" + address.Domain(b.key) + ">\r\nRCPT TO:<" + b.at("bob") + ">\r\nDATA\r\n")
	for _, want := range []string{"250 ", "550 5.1.1 ", "250 ", "354 "} {
		d.want(want)
	}
	d.send(one + ".\r\nNOOP\r\n")
	d.want("250 2.0.0 OK: queued")
	d.want("250 ")
	two := a.letter(a.at("ann"), b.at("bob"), "message-2")
	d.say("MAIL FROM:<"+a.at("ann")+">", "250 ")
	d.say("RCPT TO:<"+b.at("bob")+">", "250 ")
	d.send(fmt.Sprintf("BDAT %d\r\n%s", 40, two[:40]))
	d.want("250 ")
	d.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(two)-40, two[40:]))
	d.want("250 ")
	if got := b.mail("bob", 2); len(got) != 2 {
		t.Errorf("%d mails arrived, want 2", len(got))
	}
	d.say("MAIL FROM:<"+a.at("ann")+"> SMTPUTF8", "504 ")
}

// A mail whose "250" got lost is sent again and delivered once.
func TestLostAnswer(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	n.lose[b.key] = 1
	d := a.login("ann")
	d.bring(a.at("ann"), b.at("bob"), "From: "+a.at("ann")+"\r\nSubject: once\r\n\r\nx\r\n", "250 ")
	if got := b.mail("bob", 1); len(got) != 1 {
		t.Fatalf("%d mails arrived", len(got))
	}
	if len(a.Queue()) != 1 {
		t.Fatalf("the sender believes that it is delivered: %v", a.Queue())
	}
	b.stop() // the receiver remembers over a restart
	b.start()
	befriend(a, b)
	a.Hello(b.key)
	a.idle()
	b.idle()
	if got := b.mail("bob", 0); len(got) != 1 {
		t.Errorf("%d mails arrived, want 1", len(got))
	}
}

func TestDisplayNameIsAddedOnDelivery(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	d := b.friend()
	letter := a.letter(a.at("ann"), b.at("bob"), "message-1")
	d.bring(a.at("ann"), b.at("bob"), letter, "250 ") // has <>, so it has a form of its own
	in, err := a.read(strings.NewReader("From: " + a.at("ann") + "\r\nTo: " + b.at("bob") + "\r\n\r\nx\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := a.Server.sign(t.Context(), in.header, in.body)
	if err != nil {
		t.Fatal(err)
	}
	d.bring(a.at("ann"), b.at("bob"), signature.Raw+in.header.String()+"\r\nx\r\n", "250 ")
	var names []string
	for _, text := range b.mail("bob", 2) {
		names = append(names, field(t, text, "From"))
	}
	if want := `"ann at abe" <` + a.at("ann") + ">"; len(names) != 2 || names[0] != want && names[1] != want {
		t.Errorf("the authors are %q, want one %q", names, want)
	}
}

func TestTooManyFromOneCircuit(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	for range friendConnsPerCircuit {
		b.friend()
	}
	c, err := n.dial(t.Context(), b.key, false) // another circuit
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	x, y := net.Pipe()
	defer x.Close()
	go endpoint.ServeOne(t.Context(), y, b.Friends(), endpoint.Visitor{Host: b.key.Host(), ID: "9"},
		endpoint.NewLimiter(endpoint.Limits{}), b.Log)
	x.SetDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 100)
	k, _ := x.Read(buf)
	if got := string(buf[:k]); !strings.HasPrefix(got, "421 4.7.0 ") {
		t.Errorf("the ninth connection was answered %q", got)
	}
}
