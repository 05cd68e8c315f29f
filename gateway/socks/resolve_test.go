package socks

import (
	"io"
	"net"
	"testing"
)

// TestResolve: tor is asked for names and addresses as the device, and its
// answer comes back as it was.
func TestResolve(t *testing.T) {
	p6 := "\x04" + string(net.ParseIP("2001:db8::80")) + "\x00\x00"
	for request, tc := range map[string]struct{ want, answer string }{
		"\x05\xf0\x00\x03\x0bweb.example\x00\x00":          {"name web.example:0", "\x01\xcb\x00\x71\x50\x00\x00"},
		"\x05\xf0\x00\x03\x0bweb.example\x00\x50":          {"name web.example:0", p6},
		"\x05\xf0\x00\x03\x14alice.peer.home.arpa\x00\x00": {"name " + anOnion + ":0", "\x01\x0a\xc0\x00\x01\x00\x00"},
		"\x05\xf1\x00\x01\xcb\x00\x71\x50\x00\x00":         {"addr 203.0.113.80:0", "\x03\x0bweb.example\x00\x00"},
		"\x05\xf1\x00\x03\x0c203.0.113.80\x00\x00":         {"addr 203.0.113.80:0", "\x03\x0bweb.example\x00\x00"},
		"\x05\xf1\x00" + p6:                                {"addr 2001:db8::80:0", "\x03\x0bweb.example\x00\x00"},
	} {
		tor := newFakeTor(t)
		tor.reply = []byte("\x05\x00\x00" + tc.answer)
		p := newProxy(t, Options{DialTor: tor.dial})
		c := p.connect(t, "127.0.0.7")
		io.WriteString(c, "\x05\x01\x00"+request)
		if got, err := io.ReadAll(c); string(got) != "\x05\x00\x05\x00\x00"+tc.answer || err != nil {
			t.Errorf("%q: answered %q, %v", request, got, err)
		}
		asked := tor.asked()
		if len(asked) != 1 || asked[0].String() != tc.want+" as 127.0.0.7" || asked[0].command != request[1] {
			t.Errorf("%q: tor was asked for %v", request, asked)
		}
	}
}

// TestResolveAnswersOfHome: an answer that leads into the house is none.
func TestResolveAnswersOfHome(t *testing.T) {
	for answer, want := range map[string]int{
		"\x01\xc0\xa8\x4d\x14\x00\x00":                                           4,
		"\x01\x7f\x00\x00\x01\x00\x00":                                           4,
		"\x04" + string(net.ParseIP("::ffff:192.168.77.20").To16()) + "\x00\x00": 4,
		"\x03\x03a\x1bb\x00\x00":                                                 4,
		"\x03\x00\x00\x00":                                                       4,
		"\x01\xcb\x00\x71\x50\x00\x00":                                           0,
	} {
		tor := newFakeTor(t)
		tor.reply = []byte("\x05\x00\x00" + answer)
		p := newProxy(t, Options{DialTor: tor.dial})
		if code := open(t, p.connect(t, ""), "\x05\xf0\x00\x03\x0bweb.example\x00\x00"); code != want {
			t.Errorf("% x: reply %d, want %d", answer, code, want)
		}
	}
}

// TestResolveFails: tor's refusal is told, and counted as tor's.
func TestResolveFails(t *testing.T) {
	tor := newFakeTor(t)
	tor.reply = []byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}
	p := newProxy(t, Options{DialTor: tor.dial})
	if code := open(t, p.connect(t, ""), "\x05\xf0\x00\x03\x0bweb.example\x00\x00"); code != 4 {
		t.Errorf("reply %d", code)
	}
	if s := p.Stats(); s.Failed != 1 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}
