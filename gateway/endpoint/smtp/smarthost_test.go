package smtp

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/onion"
)

// provider is a server of the internet that takes mail of its customer.
type provider struct {
	froms, rcpts []string
	taken        chan string
}

func (p *provider) NewSession(*gosmtp.Conn) (gosmtp.Session, error) {
	return &customer{provider: p}, nil
}

type customer struct {
	*provider
	known bool
}

func (c *customer) Reset()                   {}
func (c *customer) Logout() error            { return nil }
func (c *customer) AuthMechanisms() []string { return []string{sasl.Plain} }
func (c *customer) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "family" || password != "secret" {
			return errors.New("who are you")
		}
		c.known = true
		return nil
	}), nil
}
func (c *customer) Mail(from string, _ *gosmtp.MailOptions) error {
	if !c.known {
		return gosmtp.ErrAuthRequired
	}
	c.froms = append(c.froms, from)
	return nil
}
func (c *customer) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	c.rcpts = append(c.rcpts, to)
	return nil
}
func (c *customer) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	c.taken <- string(text)
	return err
}

// Mail to the internet goes through the provider's server, by the address that
// they have given, and tells nothing of the box; without one it is refused.
func TestSmarthost(t *testing.T) {
	n := newNetwork()
	a, b := n.build(t, "a"), n.build(t, "b")
	p := &provider{taken: make(chan string, 1)}
	server := gosmtp.NewServer(p)
	server.Domain, server.TLSConfig, server.ErrorLog = "mail.provider.example", testTLS(t), quiet{a.Log}
	ends := &feed{make(chan net.Conn), make(chan struct{})}
	go server.Serve(ends)
	defer close(ends.gone)
	certificate, err := x509.ParseCertificate(testTLS(t).Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	a.Roots = x509.NewCertPool()
	a.Roots.AddCert(certificate)
	a.DialHost = func(_ context.Context, host string, port uint16, _ bool) (net.Conn, error) {
		if host != "box.home.arpa" || port != 587 { // the name in the test's certificate
			return nil, errors.New("another host")
		}
		ours, theirs := net.Pipe()
		ends.conns <- theirs
		return ours, nil
	}
	a.Set(Config{Home: a.key, MaxSize: 1 << 20, Friends: map[string]onion.Address{"bea": b.key},
		Smarthost: &Smarthost{Host: "box.home.arpa", Port: 587, User: "family", Password: "secret", From: "family@provider.example"}})
	b.knows(nil, map[string]*house{"abe": a})
	d := a.login("ann")
	d.say("MAIL FROM:<ann@box.home.arpa>", "250 ")
	d.say("RCPT TO:<eve@example.com>", "250 ")
	d.say("RCPT TO:<bob@bea.peer.home.arpa>", "250 ")
	d.say("DATA", "354 ")
	d.say("From: Ann <ann@box.home.arpa>\r\nTo: eve@example.com\r\nReply-To: ann@box.home.arpa\r\nMessage-ID: <1@laptop>\r\nSubject: x\r\n"+
		"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src='cid:1@box.home.arpa'>\r\n"+
		"--b\r\nContent-ID: <1@box.home.arpa>\r\n\r\nx\r\n--b--\r\n.", "250 ")
	text := <-p.taken
	for name, want := range map[string]string{"From": `"Ann" <family@provider.example>`, "To": "eve@example.com",
		"Message-Id": "<1@provider.example>"} {
		if got := field(t, text, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if strings.Contains(text, "peer.home.arpa") || strings.Contains(text, "box.home") {
		t.Errorf("the mail tells of the box:\n%s", text)
	}
	if len(p.froms) != 1 || p.froms[0] != "family@provider.example" || len(p.rcpts) != 1 || p.rcpts[0] != "eve@example.com" {
		t.Errorf("the envelope is %q, %q", p.froms, p.rcpts)
	}
	if got := b.mail("bob", 1); len(got) != 1 || !strings.Contains(got[0], "dkim=pass") ||
		!strings.Contains(got[0], "--b\r\nContent-ID: <1@box.home.arpa>") {
		t.Errorf("the friend got %q", got)
	}
	d.say("MAIL FROM:<ann@box.home.arpa>", "250 ")
	d.say("RCPT TO:<eve@example.com>", "250 ")
	d.say("DATA", "354 ")
	d.say("From: ann@box.home.arpa\r\nTo: eve@example.com\r\n\r\nann@"+string(a.key)+".onion\r\n.", "550 5.7.1 the text of this mail")
	a.idle()
}

// Another provider's server, or another password, is tried at once, however often the one before was in
// vain; and what is under way to that one goes on by the new one.
func TestAnotherSmarthost(t *testing.T) {
	n := newNetwork()
	a := n.build(t, "a")
	hosts, on := make(chan string, 9), make(chan struct{})
	a.DialHost = func(_ context.Context, host string, _ uint16, _ bool) (net.Conn, error) {
		hosts <- host
		if host == "second.example" {
			<-on
		}
		return nil, errors.New("not reached")
	}
	set := func(host string) {
		a.Set(Config{Home: a.key, MaxSize: 1 << 20, Smarthost: &Smarthost{Host: host, Port: 465, From: "family@provider.example"}})
	}
	dialled := func(want string) {
		t.Helper()
		select {
		case got := <-hosts:
			if got != want {
				t.Errorf("%s was dialled, want %s", got, want)
			}
		case <-time.After(redial / 2):
			t.Errorf("%s was not dialled at once", want)
		}
	}
	set("first.example")
	d := a.login("ann")
	d.bring(a.at("ann"), "eve@example.com", "From: "+a.at("ann")+"\r\nTo: eve@example.com\r\n\r\nx\r\n", "250 ")
	dialled("first.example")
	a.unreached() // now it waits for some seconds
	set("second.example")
	dialled("second.example")
	set("third.example")
	close(on)
	dialled("third.example")
	a.unreached()
	set("third.example")
	time.Sleep(100 * time.Millisecond)
	if len(hosts) > 0 {
		t.Errorf("%s was dialled though nothing has changed", <-hosts)
	}
}
