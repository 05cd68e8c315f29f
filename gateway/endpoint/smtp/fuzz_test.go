package smtp

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/onion"
)

// Whatever a stranger says, the server answers in whole lines, never panics,
// and takes mail for its own people alone.
func FuzzDialogue(f *testing.F) {
	key, sign := identity("b")
	own := address.Domain(key)
	for _, s := range []string{
		"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@" + own + ">\r\nDATA\r\nFrom: a@b.example\r\n\r\nx\r\n.\r\nQUIT\r\n",
		"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<@a,@b:eve%x@" + own + ">\r\nBDAT 5 LAST\r\nhello",
		"HELO\r\nMAIL FROM:<a@b> SIZE=99999999999 BODY=8BITMIME\r\nRSET\r\nVRFY bob\r\nEXPN\r\nAUTH PLAIN =\r\nSTARTTLS\r\n",
		"EHLO x\r\nMAIL FROM:<\"a b\"@b.example> AUTH=<>\r\nRCPT TO:<\"bob\"@" + own + ">\r\nDATA\r\n.\r\n",
		"EHLO x\nMAIL FROM:<a@b.example>\nRCPT TO:<bob@" + own + ">\nDATA\n\r\n.\n\r\n.\r\n",
		strings.Repeat("x", 3000) + "\r\n", "\x00\xff\r\n\r\n", "BDAT 4294967295\r\nx",
	} {
		f.Add(s)
	}
	s, err := New(Options{Dir: f.TempDir(), Log: slog.New(slog.DiscardHandler), People: func() People { return users{"bob"} },
		Sign:   func(_ context.Context, _ onion.Address, d [32]byte) ([]byte, error) { return sign(d[:]), nil },
		Dial:   func(context.Context, onion.Address, bool) (net.Conn, error) { return nil, io.EOF },
		Turn:   func(_ context.Context, _ onion.Address, dial func() error) error { return dial() },
		Reason: error.Error})
	if err != nil {
		f.Fatal(err)
	}
	door, _ := identity("s")
	s.Set(Config{Home: key, Strangers: door, MaxSize: 1 << 16})
	f.Fuzz(func(t *testing.T, said string) {
		ours, theirs := net.Pipe()
		limit := endpoint.NewLimiter(endpoint.Limits{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			endpoint.ServeOne(context.Background(), theirs, s.Friends(), endpoint.Visitor{Host: door.Host()}, limit, s.Log)
		}()
		ours.SetDeadline(time.Now().Add(time.Minute))
		go func() {
			io.WriteString(ours, said)
			time.Sleep(time.Millisecond)
			ours.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		}()
		lines := bufio.NewReader(ours)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			if len(line) < 6 || line[0] < '2' || line[0] > '5' || !strings.HasSuffix(line, "\r\n") {
				t.Fatalf("the server said %q", line)
			}
		}
		ours.Close()
		<-ended
		if limit.Stats().Panics > 0 {
			t.Fatal("the server panicked")
		}
		for _, e := range s.spool.All() {
			for _, r := range e.Recipients {
				if !strings.HasSuffix(r.To, "@"+own) {
					t.Fatalf("mail was taken for %q", r.To)
				}
			}
			s.spool.Remove(e.ID)
		}
	})
}

// What a user's program writes into a header leaves the house without the names
// of its hosts, and stays a header.
func FuzzCleanedHeader(f *testing.F) {
	for _, s := range []string{
		"From: bob@box.home.arpa\r\nTo: a@bea.peer.home.arpa\r\nBcc: x@y.example\r\nMessage-ID: <1@laptop.lan>\r\n" +
			"References: <2@[192.168.1.2]>\r\n <3@laptop>\r\n",
		"From: \"B\" <Bob+x@box.home.arpa>\r\nReceived: from laptop.lan\r\nreceived : x\r\n",
		"From: bob@box.home.arpa\r\nmessage-id: <<a@b>@c.lan>\r\n",
	} {
		f.Add(s)
	}
	key, _ := identity("b")
	bea, _ := identity("a")
	s := &Server{}
	s.config.Store(&settings{Config: Config{Home: key}, book: address.Book{Own: key, Peers: map[string]onion.Address{"bea": bea}}})
	u := &submission{visit: &visit{door: &door{Server: s}}, user: "bob"}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := message.Read(bufio.NewReader(message.Strict(strings.NewReader(text + "\r\n"))))
		if err != nil {
			return
		}
		cleaned, err := u.cleaned(h)
		if err != nil {
			return
		}
		again, err := message.Read(bufio.NewReader(message.Strict(strings.NewReader(cleaned.String() + "\r\n"))))
		if err != nil || again.String() != cleaned.String() {
			t.Fatalf("%q became no header: %q (%v)", text, cleaned, err)
		}
		if again.Has("Bcc") || again.Has("Received") {
			t.Fatalf("%q kept what is private: %q", text, cleaned)
		}
		for _, f := range again.All("Message-ID") {
			for _, id := range idPattern().FindAllStringSubmatch(f.Value(), -1) {
				if !strings.EqualFold(id[2], address.Domain(key)) {
					t.Fatalf("Message-ID tells of %q", id[2])
				}
			}
		}
		if authors, err := again.Authors(); err != nil || len(authors) != 1 {
			t.Fatalf("the authors are %q, %v", authors, err)
		}
	})
}
