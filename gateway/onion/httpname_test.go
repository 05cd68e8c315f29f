package onion

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// ownKey and otherKey are addresses with a right checksum.
var (
	ownKey   = string(FromPublicKey(make(ed25519.PublicKey, 32)))
	otherKey = string(FromPublicKey([]byte(strings.Repeat("x", 32))))
)

func TestNamesOfAService(t *testing.T) {
	talk := newTalk(&Site{Host: "photos.lan:81", Keys: []string{ownKey, "old"}})
	for host, want := range map[string]bool{
		ownKey + ".onion": true, "www." + ownKey + ".ONION.": true, "old.onion:8080": true, ownKey + ".peer.home.arpa": true,
		"a.b." + strings.ToUpper(ownKey) + ".peer.home.arpa:80": true, "alice.peer.home.arpa": true, "photos.alice.peer.home.arpa": true,
		"photos.lan": true, "PHOTOS.lan:7": true, "localhost:8080": true, "10.192.0.7": true, "10.192.0.7:81": true, "[fd00::1]:80": true,
		"[fd00::1]": true,

		"": false, "attacker.example": false, "photos.lan.attacker.example": false, "x.photos.lan": false, otherKey + ".onion": false,
		otherKey + ".peer.home.arpa": false, ownKey + "." + otherKey + ".peer.home.arpa": false, "peer.home.arpa": false,
		".peer.home.arpa": false, "photos.box.home.arpa": true, "a.photos.box.home.arpa:8080": true,
		".box.home.arpa": false, "xbox.home.arpa": false, "photos.box.home.arpa.attacker.example": false,
		"xpeer.home.arpa": false, ownKey + ".onion.attacker.example": false, ownKey: false, ownKey + ".onion@attacker.example": false,
		"onion": false, ".onion": false,
		"localhost.attacker.example": false, "10.192.0.7.attacker.example": false, "a, " + ownKey + ".onion:80, b.example": false,
		"box.home.arpa": false,
	} {
		if talk.known(host) != want {
			t.Errorf("known(%q) = %v", host, !want)
		}
	}
}

// browser sends what one sends that was told by DNS that every name is at the
// onion: the page's own name, and its origin.
func browser(dial func(string) *net.UnixConn) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return dial(proxyLine(1, 80)), nil
	}}}
}

// album is a server behind a front with host = "photos.lan", which takes nothing
// from pages of other origins, and for the reads of which that is no matter.
func album(t *testing.T) (*http.Client, *atomic.Int32) {
	taken := new(atomic.Int32)
	protected := http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		taken.Add(1)
		io.WriteString(w, "the pictures of "+r.Host)
	}))
	server := httptest.NewServer(protected)
	t.Cleanup(server.Close)
	dial, _ := start(t, &Front{TorUID: me(), Limits: counting{9}}, map[uint16]Route{
		80: {"a", Relay{Dial: dialTo(server.Listener.Addr().String()), Site: &Site{Host: "photos.lan", Keys: []string{ownKey}}}}})
	client := browser(dial)
	t.Cleanup(client.CloseIdleConnections)
	return client, taken
}

// TestRebinding: a page whose name its own DNS server leads to the onion reads
// nothing and sends nothing, though to the browser it is one origin. What it is
// told names nothing of the house.
func TestRebinding(t *testing.T) {
	client, taken := album(t)
	for _, body := range []string{"", "user=mallory", strings.Repeat("x", 300<<10)} {
		r, _ := http.NewRequest("POST", "http://attacker.example/admin", strings.NewReader(body))
		r.Header.Set("Origin", "http://attacker.example")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatalf("%d bytes: %v", len(body), err)
		}
		page, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusMisdirectedRequest || err != nil || taken.Load() != 0 {
			t.Errorf("%d bytes: %s, %q, %v; the server has answered %d requests", len(body), answer.Status, page, err, taken.Load())
		}
		if text := string(page); !strings.Contains(text, "onion address") || strings.Contains(text, ownKey) ||
			strings.Contains(text, "photos.lan") {
			t.Errorf("the page reads %q", text)
		}
	}
}

// TestNamesOfFriends: every name that a house with a box has for the onion does,
// and pages of it are of one origin with it.
func TestNamesOfFriends(t *testing.T) {
	client, _ := album(t)
	for _, host := range []string{ownKey + ".onion", "www." + ownKey + ".onion", ownKey + ".peer.home.arpa",
		"photos.grandma.peer.home.arpa", "grandma.peer.home.arpa:8080", "10.192.0.9", "localhost:8080"} {
		r, _ := http.NewRequest("POST", "http://"+host+"/login", strings.NewReader("user=ann"))
		r.Header.Set("Origin", "http://"+host)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		page, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != 200 || string(page) != "the pictures of photos.lan" {
			t.Errorf("%s: %s, %q", host, answer.Status, page)
		}
	}
}

// TestOtherNameLater: on a connection that has begun well nothing for another
// name is passed on either.
func TestOtherNameLater(t *testing.T) {
	served := make(chan string, 9)
	c := visited(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for r, err := http.ReadRequest(in); err == nil; r, err = http.ReadRequest(in) {
			served <- r.URL.Path
		}
		close(served)
	})
	io.WriteString(c, "GET /1 HTTP/1.1\r\nHost: x.onion\r\n\r\nGET /2 HTTP/1.1\r\nHost: attacker.example\r\n\r\n")
	if rest, _ := io.ReadAll(c); len(rest) > 0 {
		t.Errorf("the visitor got %q", rest)
	}
	if first := <-served; first != "/1" {
		t.Errorf("the server got %q", first)
	}
	if second, more := <-served; more {
		t.Errorf("the server got %q too", second)
	}
}
