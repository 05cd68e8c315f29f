//go:build machines

package machines

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"tunic/internal/lab/traffic"
)

// session is what a program of a device has open with a server of the box.
type session struct {
	net.Conn
	read   []byte // and not looked at yet
	before string // the text that was waited for last
	ask    string // has the server answer at any time
	want   string // is in that answer
}

// say sends a text and waits until the server has said another.
func (s *session) say(text, want string) error {
	if err := s.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(s, text); err != nil {
		return err
	}
	for piece := make([]byte, 4096); ; {
		if i := bytes.Index(s.read, []byte(want)); i >= 0 {
			s.before, s.read = string(s.read[:i]), s.read[i+len(want):]
			return nil
		}
		n, err := s.Read(piece)
		s.read = append(s.read, piece[:n]...)
		if err != nil {
			return fmt.Errorf("waiting for %q after %q: %w", want, s.read, err)
		}
	}
}

// lives reports that the server still answers.
func (s *session) lives() error { return s.say(s.ask, s.want) }

// host is a node as what opens connections in Go.
func (w *world) host(node string) traffic.Host {
	w.Helper()
	n, err := w.lab.Plan().Node(node)
	if err != nil {
		w.Fatal(err)
	}
	return traffic.Host{Namespace: n.Namespace}
}

// session opens one from the laptop to a port of the box.
func (w *world) session(port, ask, want string) *session {
	w.Helper()
	conn, err := w.host("laptop").Dial(w.ctx, "tcp", net.JoinHostPort("192.168.77.1", port))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	return &session{Conn: conn, ask: ask, want: want}
}

// secure begins TLS, with the household's authority.
func (w *world) secure(s *session, name string) {
	w.Helper()
	pem, err := os.ReadFile(w.authority())
	if err != nil {
		w.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	s.Conn, s.read = tls.Client(s.Conn, &tls.Config{RootCAs: roots, ServerName: name}), nil
}

// talk says all lines, each of which is followed by its answer.
func (w *world) talk(s *session, lines ...string) *session {
	w.Helper()
	for i := 0; i+1 < len(lines); i += 2 {
		if err := s.say(lines[i], lines[i+1]); err != nil {
			w.Fatal(err)
		}
	}
	return s
}

// imapSession has a mailbox selected (RFC 3501).
func (w *world) imapSession() *session {
	w.Helper()
	s := w.session("993", "n NOOP\r\n", "n OK")
	w.secure(s, "box.home.arpa")
	return w.talk(s, "", "* OK", "a LOGIN ann \""+password+"\"\r\n", "a OK", "b SELECT INBOX\r\n", "b OK")
}

// xmppSession is logged in and bound (RFC 6120), and pings (XEP-0199).
func (w *world) xmppSession() *session {
	w.Helper()
	domain := w.domain()
	open := "<stream:stream to='" + domain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	const features = "</stream:features>"
	plain := base64.StdEncoding.EncodeToString([]byte("\x00ann\x00" + password))
	s := w.session("5222", "<iq type='get' id='p' to='"+domain+"'><ping xmlns='urn:xmpp:ping'/></iq>", "type='result'")
	w.talk(s, open, features, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<proceed")
	w.secure(s, domain)
	return w.talk(s, open, features, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"+plain+"</auth>", "<success",
		open, features, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</iq>")
}

// ircSession is registered: the server wants an answer to its ping first (RFC 2812, 3.1
// and 3.7.2).
func (w *world) ircSession() *session {
	w.Helper()
	s := w.session("6667", "PING :here\r\n", "PONG")
	w.talk(s, "NICK eve\r\nUSER eve 0 * :eve\r\n", "PING :")
	if err := s.say("", "\r\n"); err != nil {
		w.Fatal(err)
	}
	return w.talk(s, "PONG :"+s.before+"\r\n", " 001 eve ", "", "\r\n")
}
