//go:build lab

package serve

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"tunic/gateway/endpoint/irc"
	"tunic/gateway/link"
	"tunic/gateway/managed"
	"tunic/gateway/supervise"
	"tunic/internal/lab/onbox"
)

// The test binary is also what confines.
func TestMain(m *testing.M) {
	onbox.Confine()
	os.Exit(m.Run())
}

// ngircd runs the ngIRCd of this machine as on a box.
func ngircd(t *testing.T) netip.AddrPort {
	t.Helper()
	place := onbox.NewPlace(t, "tunic-irc")
	s := irc.Settings{Dir: place.Root + "/irc", User: place.User, UID: place.UID, GID: place.GID, Listen: place.Listen,
		Secrets: irc.Secrets{Salt: "salt", Operator: "secret"}}
	m := onbox.Manager(t)
	m.Apply([]managed.Spec{s.Spec()})
	onbox.Ready(t, m, 0)
	return s.Listen
}

// chatter is somebody on IRC, by a circuit or from the house.
type chatter struct {
	net.Conn
	r *bufio.Reader
}

func (c *chatter) await(text string) bool {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return false
		}
		if token, ping := strings.CutPrefix(line, "PING "); ping {
			fmt.Fprintf(c, "PONG %s", token)
		}
		if strings.Contains(line, text) {
			return true
		}
	}
}

// here reports whether the server still answers.
func (c *chatter) here() bool {
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(c, "PING :here\r\n")
	return c.await(" PONG ")
}

// chat says who it is, and returns nil for somebody who does not get in.
func chat(t *testing.T, conn net.Conn, err error, nick string) *chatter {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &chatter{conn, bufio.NewReader(conn)}
	fmt.Fprintf(c, "NICK %s\r\nUSER u 0 * :u\r\n", nick)
	if !c.await(" 001 ") {
		return nil
	}
	return c
}

// TestCrowdOnIRC: one visitor of the onion who comes by 560 circuits, with all
// connections that the server has and more, ends nobody's conversation, and
// keeps nobody out: neither visitors nor the household.
func TestCrowdOnIRC(t *testing.T) {
	server := ngircd(t)
	p := start(t)
	p.front("home")
	var l supervise.Listeners
	t.Cleanup(l.Close)
	port := freePort(t)
	if err := l.Set(t.Context(), []supervise.ListenerSpec{{Name: "irc", Network: "tcp4", Port: port}}); err != nil {
		t.Fatal(err)
	}
	if err := p.end.Hand("irc", l.Files()["irc"]); err != nil {
		t.Fatal(err)
	}
	places := link.Places{Each: irc.PlacesEach, Total: irc.Places}
	p.apply(link.Desired{
		Fronts: []link.Front{{Onion: "home", Host: "key.onion", Listener: "front/home",
			Ports: []link.Port{{Virtual: 6667, Addr: server, Places: places}}}},
		Terminators: []link.Terminator{{Name: "irc", Listeners: []string{"irc"}, Server: server, Port: 6667, Places: places}}})
	circuit := func(n int) (net.Conn, error) {
		c, err := net.Dial("unix", p.path("home"))
		if err == nil {
			fmt.Fprintf(c, "PROXY TCP6 fc00:dead:beef:4dad::%x:%x ::1 1 6667\r\n", n>>16, n&0xffff)
		}
		return c, err
	}
	number, visits := 0, uint64(0)
	come := func(circuits, each int) {
		for range circuits {
			number++
			for range each {
				c, err := circuit(number)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				fmt.Fprintf(c, "NICK crowd%d\r\nUSER u 0 * :u\r\n", number)
				visits++
			}
		}
		for end := time.Now().Add(20 * time.Second); p.status().Fronts[0].Streams < visits && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second) // the last have got as far as the places
	}
	var people []*chatter
	var who []string
	join := func(name string, from, n int) (took time.Duration) {
		for i := range n {
			begin := time.Now()
			c, err := circuit(1<<20 + from + i)
			nick := fmt.Sprint(name, i)
			if in := chat(t, c, err, nick); in != nil {
				people, who = append(people, in), append(who, nick)
			} else {
				t.Errorf("%s does not get in", nick)
			}
			took += time.Since(begin)
			visits++
		}
		return took / time.Duration(n)
	}
	before := join("early", 0, 10)
	come(60, 10)
	come(500, 1)
	during := join("late", 100, 10)
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if house := chat(t, c, err, "house"); house != nil {
		people, who = append(people, house), append(who, "house")
	} else {
		t.Error("the household does not get in")
	}
	come(100, 1)
	for i, c := range people {
		if !c.here() {
			t.Errorf("%s was ended", who[i])
		}
	}
	t.Logf("to get in takes %s, and %s during it", before, during)
	if during > 2*max(before, time.Second) {
		t.Errorf("to get in takes %s instead of %s", during, before)
	}
}
