package gopher

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tunic/gateway/endpoint"
)

// device is a visitor of the house.
var device = endpoint.Visitor{Host: "192.168.77.1", Port: 70, ID: "phone"}

// hole is a friend whose box answers every search so; it hears what was asked.
func hole(name, says string, heard chan<- string) Friend {
	return Friend{Name: name, Host: name + ".onion", Here: name + ".peer.home.arpa", Dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			b := make([]byte, 1000)
			n, _ := far.Read(b)
			if heard != nil {
				heard <- string(b[:n])
			}
			io.WriteString(far, says)
		}()
		return near, nil
	}}
}

// askHousehold is what a device is told.
func askHousehold(t *testing.T, s *Server, line string, friends ...Friend) string {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		s.Household(func() []Friend { return friends }).ServeConn(t.Context(), far, device)
	}()
	go io.WriteString(near, line)
	text, err := io.ReadAll(near)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// Each friend is asked once, and what they say has their name in front and leads to them.
func TestSearchFriends(t *testing.T) {
	s := newServer(t, map[string]string{"a.txt": "a\n"})
	heard := make(chan string, 1)
	alice := hole("alice", "0bread.txt\t/bread.txt\talice.onion\t70\r\n"+
		"1rye\t/rye\tALICE.onion\t70\r\niinfo\t\talice.onion\t70\r\n.\r\n", heard)
	away := Friend{Name: "carol", Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("away") }}
	none := hole("dave", "iNothing was found.\t\tdave.onion\t70\r\n.\r\n", nil)
	text := askHousehold(t, s, "/friends\tbread rye\r\n", alice, away, none)
	if got := <-heard; got != "/search\tbread rye\r\n" {
		t.Errorf("alice heard %q", got)
	}
	for _, line := range []string{
		"0alice: bread.txt\t/bread.txt\talice.peer.home.arpa\t70\r\n", "1alice: rye\t/rye\talice.peer.home.arpa\t70\r\n",
		"icarol: not there now", "idave: nothing was found."} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is not in %q", line, text)
		}
	}
	if !strings.HasSuffix(text, ".\r\n") || strings.Count(text, "\n") != 5 {
		t.Errorf("%q", text)
	}
	if text := askHousehold(t, s, "/friends\t \x1b\r\n", alice); !strings.HasPrefix(text, "3name the words") {
		t.Errorf("without words: %q", text)
	}
}

// The line is there for the house alone, and says what friends see; a visitor searches nobody.
func TestSearchFriendsIsForTheHouse(t *testing.T) {
	s := newServer(t, map[string]string{"a.txt": "a\n"})
	const line = "7Search your friends' holes (they see what you look for)\t/friends\t192.168.77.1\t70\r\n"
	if text := askHousehold(t, s, "\r\n", hole("alice", "", nil)); !strings.Contains(text, line) {
		t.Errorf("%q", text)
	}
	if text := askHousehold(t, s, "\r\n"); strings.Contains(text, "friends") {
		t.Errorf("without friends: %q", text)
	}
	for _, line := range []string{"\r\n", "/friends\tbread\r\n"} {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			s.ServeConn(t.Context(), far, friend)
		}()
		go io.WriteString(near, line)
		text, _ := io.ReadAll(near)
		refused := strings.HasPrefix(string(text), "3not found")
		if strings.Contains(string(text), "friends'") || refused != (line != "\r\n") {
			t.Errorf("a visitor: %q", text)
		}
	}
}

// A friend leads nobody elsewhere, steers no terminal, and fills no menu.
func TestHostileHole(t *testing.T) {
	f := hole("mallory", "", nil)
	for in, want := range map[string]int{
		"0router\t/\t192.168.77.1\t80\r\n":                                    0,
		"0mail\t/\tlocalhost\t25\r\n":                                         0,
		"0fine\t/\tmallory.onion\t70\r\n.\r\n0more\t/\tmallory.onion\t70\r\n": 1,
		"0port\t/\tmallory.onion\t99999\r\n":                                  0,
		"hprinter\tURL:http://192.168.77.20/\tmallory.onion\t70\r\n":          0, // clients go there, and ask no hole
		"hprinter\t/url:http://192.168.77.20/\tmallory.onion\t70\r\n":         0,
		"1printer\t\x01URL:telnet://192.168.77.20\tmallory.onion\t70\r\n":     0,
		"hfine\t/URL.html\tmallory.onion\t70\r\n":                             1,
		"\t\t\t\r\n\r\n0\t\r\n\x1b0\t/\tmallory.onion\t70\r\n":                0,
		strings.Repeat("0x\t/\tmallory.onion\t70\r\n", 1000):                  maxFriendLines,
		strings.Repeat("x", 2*maxFriendAnswer):                                0,
	} {
		list, _ := f.read(strings.NewReader(in))
		if len(list) != want {
			t.Errorf("%.60q: %d lines", in, len(list))
		}
	}
	list, err := f.read(strings.NewReader("0a\x1b]0;x\ab\u202ec\t/a\x1bb\tmallory.onion\t70\r\n"))
	if err != nil || len(list) != 1 || list[0].display != "a]0;xbc" {
		t.Errorf("%+v, %v", list, err)
	}
}

// A friend who never answers holds up nobody's answer, and the search for 20 seconds.
func TestFriendWhoNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, map[string]string{})
		silent := Friend{Name: "carol", Dial: func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		begin := time.Now()
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			s.Household(func() []Friend { return []Friend{silent, hole("alice", ".\r\n", nil)} }).ServeConn(t.Context(), far, device)
		}()
		go io.WriteString(near, "/friends\tbread\r\n")
		b := make([]byte, 1000)
		n, _ := near.Read(b)
		if took := time.Since(begin); !strings.HasPrefix(string(b[:n]), "ialice: nothing") || took > time.Second {
			t.Errorf("%q after %v", b[:n], took)
		}
		rest, _ := io.ReadAll(near)
		if took := time.Since(begin); !strings.HasPrefix(string(rest), "icarol: no answer in time.") || took != friendTime {
			t.Errorf("%q after %v", rest, took)
		}
	})
}

// A device whose searches take all places makes room for another device's, and gets no
// third one itself.
func TestSearchesOfFriendsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, map[string]string{})
		silent := Friend{Name: "carol", Dial: func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		ask := func(id string, f Friend) net.Conn {
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				v := device
				v.ID = id
				s.Household(func() []Friend { return []Friend{f} }).ServeConn(t.Context(), far, v)
			}()
			io.WriteString(near, "/friends\tbread\r\n")
			synctest.Wait()
			return near
		}
		var greedy []net.Conn
		for range maxFriendSearches {
			greedy = append(greedy, ask("tv", silent))
		}
		if text, _ := io.ReadAll(ask("tv", silent)); !strings.HasPrefix(string(text), "3too many searches") {
			t.Errorf("one more of the same device: %q", text)
		}
		if text, _ := io.ReadAll(ask("phone", hole("alice", ".\r\n", nil))); !strings.HasPrefix(string(text), "ialice: nothing") {
			t.Errorf("another device: %q", text)
		}
		for _, c := range greedy {
			c.Close()
		}
	})
}

// FuzzHole reads what a friend's hole may say.
func FuzzHole(f *testing.F) {
	f.Add([]byte("0a\t/a\tmallory.onion\t70\r\niinfo\t\t\t\r\n.\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		list, _ := hole("mallory", "", nil).read(strings.NewReader(string(in)))
		if len(list) > maxFriendLines {
			t.Fatal(len(list))
		}
		for _, l := range list {
			if printable(l.display) != l.display || l.kind < '!' || l.kind > '~' {
				t.Fatalf("%+v", l)
			}
		}
	})
}
