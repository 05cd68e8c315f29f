package tor

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A reply without end is refused, of whatever form, before it fills the memory; as many as there are may follow
// each other, and one of all relays is taken.
func TestLongestReply(t *testing.T) {
	for name, c := range map[string]struct {
		begin, again string
		times        int
		taken        bool
	}{
		"a line":                  {"250 ", strings.Repeat("x", 1000), 20_000, false},
		"lines":                   {"", "250-x\r\n", 4_000_000, false},
		"a body":                  {"250+x=\r\n", "250 x\r\n..\r\n. \r\n.\r\r\n", 1_000_000, false},
		"bodies":                  {"", "250+x=\r\nx\r\n.\r\n", 2_000_000, false},
		"short events":            {"", "650 BW 1 2\r\n", 2_000_000, true},
		"short events with lines": {"", "650-x\n650+y\nz\n.\n650 OK\n", 1_000_000, true},
		"all relays": {"250+ns/all=\r\n",
			strings.Repeat("r", 60) + "\r\n" + strings.Repeat("w", 190) + "\r\n", 10_000, true},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go func() {
				defer theirs.Close()
				_, _ = io.WriteString(theirs, c.begin)
				for range c.times / 100 {
					if _, err := io.WriteString(theirs, strings.Repeat(c.again, 100)); err != nil {
						return
					}
				}
			}()
			if err := ours.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, &shortReplies{Conn: ours})
			if taken := err == nil; taken != c.taken || !taken && (n > longestReply || err != errReplyLong) {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// The connection to tor is of that kind.
func TestControllerRefusesLongReplies(t *testing.T) {
	ours, theirs := net.Pipe()
	c := newController(ours)
	defer c.close()
	said := make(chan int, 1)
	go func() {
		_, _ = theirs.Read(make([]byte, 1000))
		n := 0
		for line := strings.Repeat("250-x\r\n", 10_000); n < 3*longestReply; n += len(line) {
			if _, err := io.WriteString(theirs, line); err != nil {
				break
			}
		}
		theirs.Close()
		said <- n
	}()
	_, err := c.getInfo("version")
	if n := <-said; err == nil || n > 2*longestReply {
		t.Errorf("%d bytes were read, %v", n, err)
	}
}
