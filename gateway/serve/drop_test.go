package serve

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/drop"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
)

// takesFiles is a serve whose friend bob may send files to the directory that is returned.
func takesFiles(t *testing.T) (s *services, bob onion.Address, own []link.OwnService) {
	t.Helper()
	key := link.Key{1}
	s = &services{Server: &Server{log: slog.New(slog.DiscardHandler)}, count: make(map[use]int), open: make(map[*opened]struct{})}
	own = []link.OwnService{{Name: drop.Service, Drop: &link.Drop{Dir: t.TempDir(), Quota: 1000}, AtOnce: 2, Time: time.Hour,
		Friends: []link.ServiceFriend{{Onion: key, Name: "bob"}}}}
	s.set(own)
	return s, peer.Key(key).Address(), own
}

// announce opens the service and announces a file.
func announce(t *testing.T, s *services, friend onion.Address, content string) (mux.Stream, *bufio.Reader, string) {
	t.Helper()
	o, err := s.Open(t.Context(), friend, drop.Service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	h := drop.Header{Size: int64(len(content)), Sum: sha256.Sum256([]byte(content)), Name: "a"}
	if _, err := fmt.Fprintf(o, "%s\r\n", h); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(o)
	answer, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return o, r, answer
}

// keptFiles are those in the directory, the hidden ones too.
func keptFiles(t *testing.T, own []link.OwnService) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(own[0].Drop.Dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A friend's file is kept in the friend's directory, and the service ends as it should;
// so it does when it has refused one.
func TestReceive(t *testing.T) {
	s, bob, own := takesFiles(t)
	o, r, answer := announce(t, s, bob, "content")
	if answer != "+send it\r\n" {
		t.Fatalf("%q", answer)
	}
	if _, err := io.WriteString(o, "content"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); string(rest) != "+a\r\n" || err != nil || !o.Fine() {
		t.Errorf("%q, %v", rest, err)
	}
	if got, err := os.ReadFile(filepath.Join(own[0].Drop.Dir, "bob", "a")); string(got) != "content" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	o, r, answer = announce(t, s, bob, strings.Repeat("x", 1001))
	if rest, err := io.ReadAll(r); !strings.HasPrefix(answer, "-it is too large") || len(rest) > 0 || err != nil || !o.Fine() {
		t.Errorf("%q, %q, %v", answer, rest, err)
	}
	if _, err := s.Open(t.Context(), peer.Key{2}.Address(), drop.Service); err != mux.ErrNone {
		t.Errorf("a stranger: %v", err)
	}
}

// What is under way when the friend may send nothing any more, or is gone, leaves nothing.
func TestReceiveNotWhole(t *testing.T) {
	for what, end := range map[string]func(*services, mux.Stream){
		"no friend any more": func(s *services, _ mux.Stream) { s.set(nil) },
		"broken":             func(_ *services, o mux.Stream) { o.Close() },
		"ended":              func(_ *services, o mux.Stream) { o.CloseWrite() },
	} {
		s, bob, own := takesFiles(t)
		o, r, answer := announce(t, s, bob, "content")
		if _, err := io.WriteString(o, "con"); err != nil || answer != "+send it\r\n" {
			t.Fatal(answer, err)
		}
		if len(keptFiles(t, own)) != 1 {
			t.Errorf("%s: %q", what, keptFiles(t, own))
		}
		end(s, o)
		rest, _ := io.ReadAll(r)
		if strings.HasPrefix(string(rest), "+") {
			t.Errorf("%s: %q", what, rest)
		}
		for end := time.Now().Add(30 * time.Second); len(keptFiles(t, own)) > 0 && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond) // it is removed by the one who receives, soon
		}
		if left := keptFiles(t, own); len(left) > 0 {
			t.Errorf("%s: %q is left", what, left)
		}
	}
}
