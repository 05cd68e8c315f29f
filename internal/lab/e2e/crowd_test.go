//go:build lab

package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// crowdVariable is how many users `make bench-chat` has at a time; without it
// there is no such test.
const crowdVariable = "TUNIC_CROWD"

// testCrowd measures what the servers of a box take with many users, each of
// whom has chat, mail and IRC open.
func testCrowd(w *world) {
	n, err := strconv.Atoi(os.Getenv(crowdVariable))
	if err != nil || n < 1 || n > 90 {
		w.Fatalf("%s is %q", crowdVariable, os.Getenv(crowdVariable))
	}
	a, b := w.mailBoxes()
	w.talkers(a, b)
	w.memory(a)
	var there []*listener
	for i, device := range w.ordinary(3, n) {
		box := a
		box.user = fmt.Sprintf("user%d", i)
		w.must(a.node, "sh", "-c", "echo "+shellQuote(mailPassword)+" | tunic user add "+box.user)
		w.Cleanup(func() { w.must(a.node, "tunic", "user", "remove", box.user) })
		there = append(there, w.listen(box, "crowd-"+box.user))
		w.idles(box.user)
		w.joins(box.user, device)
	}
	w.pause(5 * time.Second) // the last ones log in
	for i, l := range there {
		w.writes(a, fmt.Sprintf("user%d@%s", i, a.domain()), "crowd", i, 1)
		w.eventually(l.name+" has a message", chatLimit, func() bool { return len(l.heard("crowd")) == 1 })
	}
	w.Logf("%d users, each with XMPP, IMAP and IRC", n)
	w.memory(a)
}

// netip4 is an address of household A for one more device.
func netip4(host int) string { return fmt.Sprintf("192.168.77.%d", host) }

// idles waits for mail in the user's name (RFC 2177).
func (w *world) idles(user string) {
	w.Helper()
	raw, err := w.laptop.Dial(w.ctx, "tcp", box4+":993")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { raw.Close() })
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) // other tests look at the certificate
	w.dialogue(c, "a LOGIN "+user+" \""+mailPassword+"\"", "a OK")
	w.dialogue(c, "b SELECT INBOX", "b OK")
	w.dialogue(c, "c IDLE", "+ idling")
}

// joins is in the box's channel, from a device of its own: each has ten places.
func (w *world) joins(nick string, device ordinary) {
	w.Helper()
	c, err := w.dial(device, box4+":6667")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	w.dialogue(c, "NICK "+nick+"\r\nUSER x 0 * :x", " 376 ")
	w.dialogue(c, "JOIN #home", " 366 ")
}

// dialogue says a line and waits for one that has a word; it answers the pings
// of IRC.
func (w *world) dialogue(c net.Conn, line, word string) {
	w.Helper()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.Fatal(err)
	}
	fmt.Fprintf(c, "%s\r\n", line)
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "PING "); ok {
			fmt.Fprintf(c, "PONG %s\r\n", rest)
		}
		if strings.Contains(lines.Text(), word) {
			return
		}
	}
	w.Fatalf("no %q after %q: %v", word, strings.Fields(line)[0], lines.Err())
}
