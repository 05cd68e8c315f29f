//go:build lab

package xmpp

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// client is as little of an XMPP client as the tests need (RFC 6120, 6121).
type client struct {
	t    *testing.T
	conn net.Conn
	dec  *xml.Decoder
	jid  string
	got  chan message
	iqs  chan iq // answers, while there is room
}

// iq is an answer to a question.
type iq struct {
	Type  string `xml:"type,attr"`
	Inner string `xml:",innerxml"`
}

type message struct {
	XMLName xml.Name `xml:"message"`
	From    string   `xml:"from,attr"`
	Type    string   `xml:"type,attr"`
	Body    string   `xml:"body"`
	Delay   *struct {
		Stamp string `xml:"stamp,attr"`
	} `xml:"urn:xmpp:delay delay"`
	Queued *struct{} `xml:"urn:tunic:queue:0 queued"`
	Error  *struct {
		Inner string `xml:",innerxml"`
	} `xml:"error"`
	All string `xml:",innerxml"`
}

// login connects a user and makes it available.
func login(t *testing.T, addr, user, host, password string) *client {
	t.Helper()
	c := connect(t, "127.0.0.1", addr, host)
	if answer := c.authenticate(user, password); answer != "success" {
		t.Fatalf("the server says %s to %s", answer, user)
	}
	c.open(host)
	c.say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>test</resource></bind></iq>")
	c.expect("iq")
	c.say("<presence/>")
	c.jid = user + "@" + host + "/test"
	c.conn.SetDeadline(time.Time{})
	go c.read()
	return c
}

// connect opens an encrypted stream from an address.
func connect(t *testing.T, from, addr, host string) *client {
	t.Helper()
	var conn net.Conn
	var err error
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if conn, err = dialer.Dial("tcp", addr); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn, got: make(chan message, 1000), iqs: make(chan iq, 1)}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c.open(host)
	c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.expect("proceed")
	c.conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the test's own certificate
	c.open(host)
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// authenticate returns the name of the answer: success, or the condition of a failure.
func (c *client) authenticate(user, password string) string {
	c.t.Helper()
	c.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
		base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)))
	answer, _ := c.answer()
	return answer
}

// guess gets the password of an account wrong by SCRAM (RFC 5802), with another
// name where the identity to act as belongs.
func (c *client) guess(user, decoy string) string {
	c.t.Helper()
	header := "n,n=" + decoy + ","
	c.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>%s</auth>",
		base64.StdEncoding.EncodeToString([]byte(header+"n="+user+",r=nonce")))
	answer, text := c.answer()
	challenge, err := base64.StdEncoding.DecodeString(text)
	if err != nil || answer != "challenge" {
		return answer
	}
	nonce, _, _ := strings.Cut(string(challenge), ",")
	c.say("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>",
		base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "c=%s,%s,p=%s",
			base64.StdEncoding.EncodeToString([]byte(header)), nonce, base64.StdEncoding.EncodeToString(make([]byte, 32)))))
	answer, _ = c.answer()
	return answer
}

// answer is the name of the next element, or of the first one in it, and its text.
func (c *client) answer() (name, text string) {
	for {
		tok, err := c.dec.Token()
		if err != nil {
			return err.Error(), ""
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		var answer struct {
			Conditions []struct{ XMLName xml.Name } `xml:",any"`
			Text       string                       `xml:",chardata"`
		}
		if err := c.dec.DecodeElement(&answer, &start); err == nil && len(answer.Conditions) > 0 {
			return answer.Conditions[0].XMLName.Local, ""
		}
		return start.Name.Local, answer.Text
	}
}

func (c *client) say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format, args...); err != nil {
		c.t.Errorf("speaking to the server: %v", err)
	}
}

// open begins a stream and reads the server's features.
func (c *client) open(host string) {
	c.t.Helper()
	c.dec = xml.NewDecoder(c.conn)
	c.say("<stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", host)
	c.expect("features")
}

// expect skips to the end of the next element of that name.
func (c *client) expect(name string) {
	c.t.Helper()
	for {
		tok, err := c.dec.Token()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", name, err)
		}
		if start, ok := tok.(xml.StartElement); ok {
			if start.Name.Local == "failure" {
				c.t.Fatalf("the server says failure instead of %s", name)
			}
			if start.Name.Local == name {
				if err := c.dec.Skip(); err != nil {
					c.t.Fatal(err)
				}
				return
			}
		}
	}
}

func (c *client) read() {
	defer close(c.got)
	for {
		tok, err := c.dec.Token()
		if err != nil {
			return
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local == "iq" {
			var answer iq
			_ = c.dec.DecodeElement(&answer, &start)
			select {
			case c.iqs <- answer:
			default:
			}
			continue
		}
		if start.Name.Local != "message" {
			_ = c.dec.Skip()
			continue
		}
		var m message
		if err := c.dec.DecodeElement(&m, &start); err != nil && err != io.EOF {
			c.t.Errorf("reading a message: %v", err)
			return
		}
		c.got <- m
	}
}

func (c *client) send(to, body string) {
	c.t.Helper()
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(body))
	c.say("<message to='%s' type='chat' id='%s'><body>%s</body></message>", to, body, b.String())
}

// ask sends a question and waits for the answer.
func (c *client) ask(kind, to, inner string) iq {
	c.t.Helper()
	c.say("<iq type='%s' to='%s' id='q'>%s</iq>", kind, to, inner)
	select {
	case answer := <-c.iqs:
		return answer
	case <-time.After(20 * time.Second):
		c.t.Fatalf("no answer to %s", inner)
		return iq{}
	}
}

// next waits for a message with a body or an error.
func (c *client) next(limit time.Duration) (message, bool) {
	c.t.Helper()
	timeout := time.After(limit)
	for {
		select {
		case m, ok := <-c.got:
			if !ok || m.Body != "" || m.Error != nil {
				return m, ok
			}
		case <-timeout:
			return message{}, false
		}
	}
}
