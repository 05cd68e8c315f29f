package smtp

import (
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/account"
)

// submitted hands a text in for bob at the friend's, and returns what arrives there.
func submitted(t *testing.T, text, want string) string {
	t.Helper()
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	befriend(a, b)
	d := a.login("ann")
	d.bring("ann@box.home.arpa", "bob@bea.peer.home.arpa", strings.ReplaceAll(text, "KEY.peer.home.arpa", "box.home.arpa"), want)
	if want != "250 " {
		return ""
	}
	got := b.mail("bob", 1)
	if len(got) != 1 {
		t.Fatalf("%d mails arrived", len(got))
	}
	return got[0]
}

// A mail of a camera or a script has an identifier of the box's, and no host's name.
func TestMailOfACamera(t *testing.T) {
	for _, id := range []string{"20240101.42@nas.lan", "<20240101.42.bobs-laptop>", "<a@b@bobs-laptop.lan>", "<\"a b\"@bobs-laptop.lan>"} {
		text := submitted(t, "From: <ann@KEY.peer.home.arpa>\r\nTo: <bob@bea.peer.home.arpa>\r\nMessage-ID: "+id+
			"\r\nIn-Reply-To: 77@bobs-laptop.lan\r\n\r\nx\r\n", "250 ")
		if strings.Contains(text, "laptop") || strings.Contains(text, "nas.lan") ||
			idPattern().FindString(field(t, text, "Message-Id")) == "" {
			t.Errorf("%s: %s", id, text)
		}
	}
}

// A mail may be a header alone (RFC 5322, section 3.5).
func TestHeaderAlone(t *testing.T) {
	text := submitted(t, "From: <ann@KEY.peer.home.arpa>\r\nTo: <bob@bea.peer.home.arpa>\r\nSubject: done\r\n", "250 ")
	if field(t, text, "Subject") != "done" || !strings.HasSuffix(text, "\r\n\r\n") || !strings.Contains(text, "dkim=pass") {
		t.Errorf("arrived: %q", text)
	}
}

// A line that is too long for good is refused for good.
func TestLongLine(t *testing.T) {
	submitted(t, "From: <ann@KEY.peer.home.arpa>\r\n\r\n<p>"+strings.Repeat("y", 66000)+"</p>\r\n",
		"550 5.6.0 a line of this mail is longer")
}

// Guesses from many addresses make an account slow, a right password among them
// too, and not for those who have logged in before.
func TestGuessingFromManyAddresses(t *testing.T) {
	a := newNetwork().build(t, "a")
	a.knows(nil, nil)
	try := func(id, password string) error {
		s := submission{visit: &visit{door: &door{Server: a.Server}}, encrypted: true}
		s.visitor.ID = id
		server, err := s.Auth(sasl.Plain)
		if err != nil {
			return err
		}
		_, _, err = server.Next([]byte("\x00ann\x00" + password))
		return err
	}
	if err := try("known", "annann"); err != nil {
		t.Fatal(err)
	}
	if err := try("typing", "wrong"); err != gosmtp.ErrAuthFailed {
		t.Fatal(err)
	}
	for i := range account.MaxAccountFailures {
		try("fe80::"+strings.Repeat("1", i), "wrong")
	}
	for _, password := range []string{"wrong", "annann"} {
		if err := try("new", password); err != errGuessed {
			t.Errorf("%s: %v", password, err)
		}
	}
	if err := try("known", "annann"); err != nil {
		t.Errorf("who has logged in before: %v", err)
	}
	a.stop()
	a.start()
	a.knows(nil, nil)
	for i := range account.MaxAccountFailures {
		try("fe80::"+strings.Repeat("1", i), "wrong")
	}
	if err := try("known", "annann"); err != nil {
		t.Errorf("who has logged in before it was started again: %v", err)
	}
	if err := try("new", "annann"); err != errGuessed {
		t.Errorf("a device that is new then: %v", err)
	}
	if err := a.logins.checkAccount("bob", "new"); err != nil {
		t.Errorf("another account: %v", err)
	}
}
