package serve

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// talks is a serve whose friend bob has a table; bob's box is never reached.
func talks(t *testing.T) (s *services, bob onion.Address, own []link.OwnService) {
	t.Helper()
	key := link.Key{1}
	s = &services{Server: &Server{log: slog.New(slog.DiscardHandler)}, count: make(map[use]int), open: make(map[*opened]struct{})}
	s.abroad = &abroad{house: s}
	own = []link.OwnService{{Name: "talk", Talk: true, AtOnce: 2, Time: time.Hour,
		Friends: []link.ServiceFriend{{Onion: key, Name: "bob"}}}}
	s.set(own)
	return s, peer.Key(key).Address(), own
}

// asks has somebody of the house say something to their own box.
func asks(t *testing.T, s *services, words string) (net.Conn, *bufio.Reader) {
	t.Helper()
	device, here := net.Pipe()
	t.Cleanup(func() { device.Close() })
	device.SetDeadline(time.Now().Add(30 * time.Second))
	go func() {
		defer here.Close()
		tables{s}.ServeConn(t.Context(), here, endpoint.Visitor{})
	}()
	go io.WriteString(device, words)
	return device, bufio.NewReader(device)
}

// until reads lines until one begins so.
func until(t *testing.T, r *bufio.Reader, want string) string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if strings.HasPrefix(line, want) {
			return line
		}
		if err != nil {
			t.Fatalf("%q does not come: %v", want, err)
		}
	}
}

// Who found nobody is told so in words and has knocked; who sat down has the next call.
func TestTalkWithAFriend(t *testing.T) {
	s, bob, _ := talks(t)
	_, err := s.Open(t.Context(), bob, "talk")
	if words := mux.Words(""); !errors.As(err, &words) || !strings.HasPrefix(string(words), "nobody is at the table") {
		t.Fatalf("%v", err)
	}
	if k := s.knockers(); len(k) != 1 || k[0].Friend != (link.Key{1}) || time.Since(k[0].At) > time.Minute {
		t.Errorf("%v", k)
	}
	device, r := asks(t, s, "TALK bob\r\n")
	until(t, r, "+talk")
	until(t, r, "* This box has no certificate yet")
	_, second := asks(t, s, "talk bob\n")
	until(t, second, "-somebody of this house sits at the table for bob already")
	o, err := s.Open(t.Context(), bob, "talk")
	if err != nil {
		t.Fatal(err)
	}
	until(t, r, "* bob is here")
	if k := s.knockers(); len(k) > 0 {
		t.Errorf("they talk: %v", k)
	}
	io.WriteString(o, "\x1b]0;x\ahi\r\n")
	if line := until(t, r, "bob: "); line != "bob: hi\r\n" {
		t.Errorf("%q", line)
	}
	go io.WriteString(device, "hello\n")
	if line, err := bufio.NewReader(o).ReadString('\n'); line != "hello\r\n" {
		t.Errorf("%q, %v", line, err)
	}
	if err := o.CloseWrite(); err != nil {
		t.Error(err)
	}
	until(t, r, "* bob has left.")
	if _, err := io.ReadAll(o); err != nil || !o.Fine() {
		t.Errorf("how it ends for bob: %v", err)
	}
	o.Close()
}

// What is no word of this house's own box.
func TestTablesRefuse(t *testing.T) {
	s, _, _ := talks(t)
	for words, want := range map[string]string{
		"HELP\r\n": "talk bob\r\n", "talk carol\r\n": "-no friend is called so", "talk\n": "-write: talk FRIEND",
		"GET / HTTP/1.1\r\n": "-write: talk FRIEND", strings.Repeat("talk ", 30): "-no friend"} {
		_, r := asks(t, s, words)
		until(t, r, want)
	}
}

// With the friendship, the talk ends and the knock is forgotten; a stranger hears nothing new.
func TestTalkEndsWithTheFriendship(t *testing.T) {
	s, bob, own := talks(t)
	s.Open(t.Context(), bob, "talk")
	_, waiting := asks(t, s, "talk bob\n")
	until(t, waiting, "+talk")
	s.set(nil)
	if rest, err := io.ReadAll(waiting); err != nil {
		t.Errorf("who waited: %q, %v", rest, err)
	}
	if k := s.knockers(); len(k) > 0 {
		t.Errorf("%v", k)
	}
	if _, err := s.Open(t.Context(), bob, "talk"); err != mux.ErrNone {
		t.Errorf("no friend any more: %v", err)
	}
	s.set(own)
	if _, err := s.Open(t.Context(), peer.Key{2}.Address(), "talk"); err != mux.ErrNone {
		t.Errorf("a stranger: %v", err)
	}
	_, talking := asks(t, s, "talk bob\n")
	until(t, talking, "* This box")
	o, err := s.Open(t.Context(), bob, "talk")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	until(t, talking, "* bob is here")
	s.set(nil)
	if _, err := io.ReadAll(talking); err != nil {
		t.Errorf("who talked: %v", err)
	}
}
