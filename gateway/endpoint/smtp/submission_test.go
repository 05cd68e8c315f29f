package smtp

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/account"
	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
)

// login is a conversation on port 587 of a user who has logged in.
func (h *house) login(user string) *dialogue { return h.loginAt("box.home.arpa", user) }

// loginAt is login by a name of the box.
func (h *house) loginAt(host, user string) *dialogue {
	h.t.Helper()
	d := h.knock(h.Submission(), host)
	d.say("EHLO laptop.lan", "250 ")
	d.say("STARTTLS", "220 ")
	c := tls.Client(d.conn, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		h.t.Fatal(err)
	}
	d.conn, d.text = c, textproto.NewConn(c)
	if got := d.say("EHLO laptop.lan", "250 "); !strings.Contains(got, "AUTH SCRAM-SHA-256 PLAIN") {
		h.t.Errorf("EHLO says %q", got)
	}
	_, ir, _ := sasl.NewPlainClient("", user, user+user).Start()
	d.say("AUTH PLAIN "+b64(ir), "235 ")
	return d
}

// atHome is the name of an onion for programs that refuse .onion.
func atHome(host string) string { return strings.TrimSuffix(host, ".onion") + address.Suffix }

// The onion of a phone that is away, by which it hands mail in, what it was before it was
// rotated, and that of another phone of somebody are in no identifier that
// leaves, by neither of its names: whoever has the address would know whose it is.
func TestPhonesOnionStaysInTheHouse(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	host := func(n byte) string { return onion.FromPublicKey(bytes.Repeat([]byte{n}, ed25519.PublicKeySize)).Host() }
	phone, former, other := host(1), host(2), host(3)
	a.Set(Config{Home: a.key, MaxSize: 1 << 20, Friends: map[string]onion.Address{"bea": b.key}, Phones: []string{former, other}})
	d := a.loginAt(phone, "ann")
	d.say("MAIL FROM:<ann@box.home.arpa>", "250 ")
	d.say("RCPT TO:<bob@bea.peer.home.arpa>", "250 ")
	d.say("DATA", "354 ")
	d.say("From: ann@box.home.arpa\r\nTo: bob@bea.peer.home.arpa\r\nMessage-ID: <2@"+phone+">\r\nIn-Reply-To: <1@"+strings.ToUpper(phone)+
		">\r\nReferences: <0@example.com> <0@"+former+"> <4@"+other+"> <5@"+atHome(phone)+"> <6@mail."+atHome(other)+".> <1@"+phone+
		">\r\n\r\nhello\r\n.", "250 ")
	got := b.mail("bob", 1)
	tells := func(host string) bool {
		return strings.Contains(strings.ToLower(strings.Join(got, "")), strings.TrimSuffix(host, ".onion"))
	}
	if len(got) != 1 || tells(phone) || tells(former) || tells(other) {
		t.Fatalf("%d mails arrived, and tell of the phone: %q", len(got), got)
	}
	own := domainOf(lane(a.key))
	if f, want := field(t, got[0], "References"), "<0@example.com> <0@"+own+"> <4@"+own+"> <5@"+own+"> <6@"+own+"> <1@"+own+">"; f != want {
		t.Errorf("References: %q, want %q", f, want)
	}
	a.idle()
	b.idle()
}

func TestSubmittedMailArrivesSigned(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	d := a.login("ann")
	d.say("MAIL FROM:<ann@box.home.arpa> BODY=8BITMIME", "250 ")
	d.say("RCPT TO:<bob@bea.peer.home.arpa>", "250 ")
	d.say("RCPT TO:<bob@box.home.arpa>", "250 ")
	d.say("DATA", "354 ")
	d.say("From: Ann <ann@box.home.arpa>\r\nTo: bob@bea.peer.home.arpa\r\nBcc: secret@bea.peer.home.arpa\r\nSubject: h\xc3\xa4llo\r\n"+
		"Message-ID: <77@laptop.lan>\r\nReferences: <1@laptop.lan> <2@example.com>\r\nReceived: from [192.168.1.7] by laptop.lan; x\r\n"+
		"Authentication-Results: x; dkim=pass\r\n\r\nhello\r\n..dot\r\n.", "250 ")
	for _, where := range []struct {
		h    *house
		want string
	}{{b, "dkim=pass header.d=" + domainOf(lane(a.key))}, {a, "auth=pass smtp.auth=ann"}} {
		got := where.h.mail("bob", 1)
		if len(got) != 1 {
			t.Fatalf("%d mails arrived", len(got))
		}
		text := got[0]
		for _, secret := range []string{"laptop", "192.168", "secret", "bea.peer", "box.home", "x; dkim"} {
			if strings.Contains(text, secret) {
				t.Errorf("the mail tells of %q:\n%s", secret, text)
			}
		}
		for name, want := range map[string]string{"From": "Ann <" + a.at("ann") + ">", "To": b.at("bob"),
			"Message-ID": "<77@" + domainOf(lane(a.key)) + ">", "References": "<1@" + domainOf(lane(a.key)) + "> <2@example.com>"} {
			if f := field(t, text, name); f != want {
				t.Errorf("%s: %q, want %q", name, f, want)
			}
		}
		if f := field(t, text, "Authentication-Results"); !strings.Contains(f, where.want) {
			t.Errorf("Authentication-Results: %q, want %q", f, where.want)
		}
		if field(t, text, "Date") == "" || !strings.HasSuffix(text, "hello\r\n.dot\r\n") {
			t.Errorf("no date, or another body:\n%s", text)
		}
	}
	a.idle()
	b.idle()
}

func TestRefusalsAreAnsweredAtRCPT(t *testing.T) {
	n := newNetwork()
	a, b, c := n.build(t, "a"), n.build(t, "b"), n.build(t, "c")
	befriend(a, b)
	d := a.login("ann")
	d.say("MAIL FROM:<"+a.at("ann")+">", "250 ")
	for to, want := range map[string]string{
		"eve@example.com":                    "550 5.7.1 this box sends mail to friends' boxes",
		c.at("bob"):                          "550 5.1.2 you are not connected with this box: ask bea to introduce you",
		"bob@carl.peer.home.arpa":            `550 5.1.2 no friend is called "carl"`,
		"nobody@box.home.arpa":               "550 5.1.1 ",
		"eve%example.com@" + "box.home.arpa": "550 5.7.1 ",
	} {
		d.say("RCPT TO:<"+to+">", want)
	}
	d.say("RCPT TO:<postmaster@box.home.arpa>", "250 ")
}

func TestSubmissionIsForUsers(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	d := a.knock(a.Submission(), "box.home.arpa")
	if got := d.say("EHLO x", "250 "); strings.Contains(got, "AUTH") || !strings.Contains(got, "STARTTLS") {
		t.Errorf("in clear it says %q", got)
	}
	d.say("AUTH PLAIN AGFubgBhbm5hbm4=", "523 ")
	d.say("MAIL FROM:<"+a.at("ann")+">", "530 5.7.0 ")
	// What follows STARTTLS in the same packet is not taken for encrypted.
	d.send("STARTTLS\r\nMAIL FROM:<" + a.at("ann") + ">\r\n")
	d.want("220 ")

	d = a.login("ann")
	d.say("MAIL FROM:<"+a.at("bob")+">", "550 5.7.1 you have logged in as ann")
	d.say("MAIL FROM:<>", "550 5.7.1 ")
	d.say("MAIL FROM:<Ann+x@box.home.arpa>", "250 ")
	d.say("RCPT TO:<bob@box.home.arpa>", "250 ")
	for _, from := range []string{"From: bob@box.home.arpa\r\n", "From: ann@box.home.arpa, bob@box.home.arpa\r\n", "",
		"From: ann@box.home.arpa\r\nFrom: bob@box.home.arpa\r\n"} {
		d.say("MAIL FROM:<ann@box.home.arpa>", "250 ")
		d.say("RCPT TO:<bob@box.home.arpa>", "250 ")
		d.say("DATA", "354 ")
		d.say(from+"Subject: x\r\n\r\nx\r\n.", "550 5.")
	}
	if got := a.mail("bob", 0); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}

func TestGuessingPasswordsGetsSlow(t *testing.T) {
	a := newNetwork().build(t, "a")
	a.knows(nil, nil)
	for range account.MaxFailures {
		if err := a.logins.check("9"); err != nil {
			t.Fatal(err)
		}
		s := submission{visit: &visit{door: &door{Server: a.Server}}}
		s.visitor.ID = "9"
		s.encrypted = true
		server, err := s.Auth(sasl.Plain)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Next([]byte("\x00ann\x00wrong")); err != gosmtp.ErrAuthFailed {
			t.Fatalf("error %v", err)
		}
	}
	if err := a.logins.check("9"); err != errThrottled {
		t.Errorf("after %d failures: %v", account.MaxFailures, err)
	}
	if err := a.logins.check("8"); err != nil {
		t.Errorf("another device: %v", err)
	}
}

// Who is removed hands in nothing more by what was open, nor what was begun before.
func TestRemovedWhileLoggedIn(t *testing.T) {
	a := newNetwork().build(t, "a")
	var now atomic.Pointer[users]
	now.Store(&users{"ann", "bob"})
	a.People = func() People { return *now.Load() }
	a.knows(nil, nil)
	before, during := a.login("ann"), a.login("ann")
	during.say("MAIL FROM:<"+a.at("ann")+">", "250 ")
	during.say("RCPT TO:<"+a.at("bob")+">", "250 ")
	during.say("DATA", "354 ")
	now.Store(&users{"bob"})
	during.say("From: "+a.at("ann")+"\r\nTo: "+a.at("bob")+"\r\n\r\nx\r\n.", "530 ")
	before.say("MAIL FROM:<"+a.at("ann")+">", "530 ")
	now.Store(&users{"ann", "bob"}) // somebody else may have the name
	before.say("MAIL FROM:<"+a.at("ann")+">", "530 ")
	if got := a.mail("bob", 0); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}
