package smtp

import (
	"bufio"
	"errors"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/onion"
)

// A sender is somebody of the house who hands in headers.
type sender struct {
	*submission
	own, friend, former string // domains
}

func newSender() *sender {
	own, _ := identity("a")
	friend, _ := identity("b")
	former, _ := identity("f")
	s := &settings{Config: Config{Home: own, Former: []onion.Address{former}, Friends: map[string]onion.Address{"bea": friend},
		Smarthost: &Smarthost{From: "ann@provider.example"}}, book: address.Book{Own: own, Peers: map[string]onion.Address{"bea": friend}}}
	server := &Server{}
	server.config.Store(s)
	return &sender{&submission{visit: &visit{door: &door{Server: server}}, user: "ann"}, address.Domain(own), address.Domain(friend),
		address.Domain(former)}
}

// hand returns what friends see of a header, and what the internet does.
func (s *sender) hand(t *testing.T, text string) (friends, internet message.Header, err error) {
	t.Helper()
	text = strings.NewReplacer("OWN", s.own, "FRIEND", s.friend, "FORMER", s.former).Replace(text)
	h, err := message.Read(bufio.NewReader(strings.NewReader("From: Ann <ann@" + s.own + ">\r\n" + text + "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if h, err = s.cleaned(h); err != nil {
		t.Fatal(err)
	}
	out, err := s.door.now().outward(h)
	return h, out, err
}

func (s *sender) value(h message.Header, name string) string {
	var values []string
	for _, f := range h.All(name) {
		values = append(values, f.Value())
	}
	return strings.NewReplacer(s.own, "OWN", s.friend, "FRIEND", s.former, "FORMER").Replace(strings.Join(values, "|"))
}

// Whatever field a program writes names into, the internet gets none of them.
func TestInternetLearnsNothingOfTheBox(t *testing.T) {
	s := newSender()
	for name, x := range map[string]struct{ header, field, want string }{
		"answer": {"In-Reply-To: <1@laptop.lan>\r\n", "In-Reply-To", "<1@provider.example>"},
		"thread": {"References: <1@OWN> <9@FRIEND> <2@x.example> <3@FORMER> <4@nas>\r\n", "References",
			"<1@provider.example>\t<2@x.example>\t<3@provider.example>\t<4@provider.example>"},
		"friend's thread": {"In-Reply-To: <9@FRIEND>\r\n", "In-Reply-To", ""},
		"own id":          {"Message-ID: <1@laptop>\r\n", "Message-ID", "<1@provider.example>"},
		"id with a KEY":   {"Message-ID: <1.OWN@x.example>\r\n", "Message-ID", ""},
		"receipt": {"Disposition-Notification-To: Ann <ann@OWN>\r\nReturn-Receipt-To: ann@OWN\r\n",
			"Disposition-Notification-To", ""},
		"followup": {"Mail-Followup-To: ann@OWN\r\n", "Mail-Followup-To", ""},
		"resent":   {"Resent-From: ann@OWN\r\nResent-Message-ID: <1@OWN>\r\n", "Resent-From", ""},
		"program":  {"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nX-Identity-Key: id1\r\n", "User-Agent", ""},
		"unknown":  {"Ann-Was-Here: ann@OWN\r\n", "Ann-Was-Here", ""},
		"reply":    {"Reply-To: ann@OWN\r\n", "Reply-To", ""},
		"mixed":    {"To: x@internet.example, Bob <bob@bea.peer.home.arpa>\r\n", "To", "<x@internet.example>"},
		"mixed, encoded": {"To: =?utf-8?q?x?= <x@internet.example>, =?utf-8?q?bob=40FRIEND?= <b@c.example>\r\n", "To",
			`"x" <x@internet.example>`},
		"copy to a friend": {"To: x@internet.example\r\nCc: bob@FRIEND\r\n", "Cc", ""},
		"friends alone":    {"To: bob@FRIEND\r\n", "To", "undisclosed-recipients:;"},
		"nobody":           {"Subject: x\r\n", "To", "undisclosed-recipients:;"},
		"only the internet": {"To: (all) x@internet.example,\r\n y@internet.example\r\n", "To",
			"(all) x@internet.example, y@internet.example"},
		"time zone": {"Date: Sat, 28 Nov 2026 20:00:00 +0530\r\n", "Date", "Sat, 28 Nov 2026 14:30:00 +0000"},
		"no list":   {"To: ,,<bob@OWN> >\r\n", "To", "undisclosed-recipients:;"},
	} {
		_, out, err := s.hand(t, x.header)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := s.value(out, x.field); got != x.want {
			t.Errorf("%s: %s: %q, want %q", name, x.field, got, x.want)
		}
		for _, domain := range []string{s.own, s.friend, s.former, "lan", "home.arpa", "Linux", "+0530"} {
			if strings.Contains(out.String(), domain) {
				t.Errorf("%s: the internet learns %q:\n%s", name, domain, out)
			}
		}
	}
}

// What cannot be changed without changing what the sender has said is refused.
func TestOnionsInTextAreRefused(t *testing.T) {
	s := newSender()
	for _, header := range []string{"Subject: write to ann@OWN\r\n", "Subject: =?utf-8?b?" + b64([]byte("at "+s.own)) + "?=\r\n",
		"Subject: " + strings.ToUpper(s.own[:56]) + "\r\n"} {
		_, out, err := s.hand(t, header)
		if answer := new(gosmtp.SMTPError); !errors.As(err, &answer) || answer.Code != 550 {
			t.Errorf("%s: %v\n%s", header, err, out)
		}
	}
	if _, _, err := s.hand(t, "Subject: "+strings.Repeat("a2345", 30)+"\r\n"); err != nil {
		t.Errorf("letters that are no onion's: %v", err)
	}
}

// An author's display name stays as long as it is no address.
func TestAuthorOfTheProvider(t *testing.T) {
	s := newSender()
	for name, want := range map[string]string{"Ann": `"Ann" <ann@provider.example>`, `"ann@` + s.own + `"`: "<ann@provider.example>"} {
		h := message.Header{message.New("From", name+" <ann@"+s.own+">")}
		if out, err := s.door.now().outward(h); err != nil || out[0].Value() != want {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}

// No name of the house leaves in an identifier, whatever its form, nor in a date.
func TestFriendsLearnNoNamesOfTheHouse(t *testing.T) {
	s := newSender()
	for header, want := range map[string]struct{ field, value string }{
		"Message-ID: <1@laptop.lan>\r\n":               {"Message-ID", "<1@OWN>"},
		"Message-ID: 20240101.42@nas.lan\r\n":          {"Message-ID", ""},
		"Message-ID: <20240101.42.bobs-laptop>\r\n":    {"Message-ID", ""},
		"Message-ID: <a@b@bobs-laptop.lan>\r\n":        {"Message-ID", ""},
		"Message-ID: <\"a b\"@bobs-laptop.lan>\r\n":    {"Message-ID", ""},
		"Message-ID: <1@nas.lan> <2@nas.lan>\r\n":      {"Message-ID", ""},
		"In-Reply-To: 77@bobs-laptop.lan\r\n":          {"In-Reply-To", ""},
		"In-Reply-To: <7@nas.> your mail from nas\r\n": {"In-Reply-To", "<7@OWN>"},
		"In-Reply-To: <7@bea.peer.home.arpa>\r\n":      {"In-Reply-To", "<7@OWN>"},
		"References: <7@[192.168.1.2]> <8@FRIEND>\r\n": {"References", "<7@OWN>\t<8@FRIEND>"},
		"References: <x y@nas> <8@FRIEND>,<9@nas>\r\n": {"References", "<8@FRIEND>\t<9@OWN>"},
		"Date: Sat, 28 Nov 2026 20:00:00 +0530\r\n":    {"Date", "Sat, 28 Nov 2026 14:30:00 +0000"},
		"Date: 28 Nov 26 20:00 EST (nas)\r\n":          {"Date", "Sun, 29 Nov 2026 01:00:00 +0000"},
		"Date: at nas\r\n":                             {"Date", ""},
		"Resent-Date: 28 Nov 2026 20:00:00 +0530 \r\n": {"Resent-Date", "Sat, 28 Nov 2026 14:30:00 +0000"},
		"Resent-Message-ID: 7@nas.lan\r\n":             {"Resent-Message-ID", ""},
	} {
		h, _, _ := s.hand(t, header)
		if got := s.value(h, want.field); got != want.value {
			t.Errorf("%q: %q, want %q", header, got, want.value)
		}
	}
}
