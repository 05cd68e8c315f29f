package smtp

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"tunic/gateway/onion"
)

// babbler is a box that orders terminals about in all that it says.
func babbler(conn net.Conn, greeting string) {
	defer conn.Close()
	fmt.Fprint(conn, greeting)
	r := bufio.NewReader(conn)
	for {
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
		fmt.Fprint(conn, "451-\x1b]0;pwned\x07\x1b[2J\x9b2J\r\n451 second\x7f line\r\n")
	}
}

// What a friend's box answers is kept as letters in one line, wherever in the
// conversation it says it.
func TestAnswersAreKeptAsText(t *testing.T) {
	evil, _ := identity("e")
	for what, greeting := range map[string]string{"to the greeting": "421-\x1b[2Jpwned\r\n421 gone\r\n", "to us": "220 x\r\n"} {
		a := newNetwork().build(t, "a")
		a.Server.Dial = func(context.Context, onion.Address, bool) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go babbler(theirs, greeting)
			return ours, nil
		}
		a.Set(Config{Home: a.key, MaxSize: 1 << 20, Friends: map[string]onion.Address{"eve": evil}})
		d := a.login("ann")
		d.bring("ann@box.home.arpa", "bob@eve.peer.home.arpa", "From: ann@box.home.arpa\r\n\r\nx\r\n", "250 ")
		reason := ""
		if q := a.unreached(); len(q) == 1 {
			reason = q[0].Recipients[0].Reason
		}
		if !strings.Contains(reason, "pwned") || strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%s: %q", what, reason)
		}
	}
}
