//go:build lab

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tunic/internal/lab/traffic"
)

// chatter is an IRC client in a terminal.
type chatter struct {
	world     *world
	box       postBox
	nick, dir string
}

func (w *world) chatter(box postBox, nick, host string, tls bool) *chatter {
	w.Helper()
	dir, err := os.MkdirTemp("", "irc")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { os.RemoveAll(dir) })
	more, port := "", 6667
	if tls {
		port, more = 6697, fmt.Sprintf("use_tls = \"yes\"; tls_verify = \"yes\"; tls_cafile = %q;", box.authority(w))
	}
	w.write(filepath.Join(dir, "config"),
		fmt.Sprintf(`servers = ( { address = %q; chatnet = "box"; port = "%d"; autoconnect = "yes"; %s } );
chatnets = { box = { type = "IRC"; nick = %q; }; };
channels = ( { name = "#home"; chatnet = "box"; autojoin = "yes"; } );
settings = { core = { real_name = %q; user_name = %q; }; "fe-common/core" = { autolog = "yes"; autolog_path = "%s/$0.log"; }; };
`, host, port, more, nick, nick, nick, dir))
	c := &chatter{w, box, nick, dir}
	w.must(box.laptop, "tmux", "-f", "/dev/null", "-S", c.socket(), "new-session", "-d", "env", "TERM=screen", "irssi", "--home", dir)
	w.Cleanup(func() { w.exec(box.laptop, "tmux", "-S", c.socket(), "kill-server") })
	return c
}

func (c *chatter) socket() string { return filepath.Join(c.dir, "tmux") }

// says writes to the channel.
func (c *chatter) says(line string) {
	c.world.Helper()
	c.world.must(c.box.laptop, "tmux", "-S", c.socket(), "send-keys", "-l", "/msg #home "+line)
	c.world.must(c.box.laptop, "tmux", "-S", c.socket(), "send-keys", "Enter")
}

// log is what the client has shown in a window.
func (c *chatter) log(window string) string {
	text, _ := os.ReadFile(filepath.Join(c.dir, window+".log"))
	return string(text)
}

func (c *chatter) screen() string {
	return c.world.exec(c.box.laptop, "tmux", "-S", c.socket(), "capture-pane", "-p").Stdout
}

func (c *chatter) reads(word string) {
	c.world.Helper()
	begin := time.Now()
	defer func() {
		if c.world.Failed() {
			c.world.Logf("%s sees\n%s", c.nick, c.screen())
		}
	}()
	c.world.eventually(c.nick+" reads "+word, chatLimit, func() bool { return strings.Contains(c.log("#home"), word) })
	c.world.timed(c.nick+" reads "+word, time.Since(begin))
}

// channel: both laptops in one channel of one box, the household by TLS and the
// friend by the name that they have for the box.
func channel(w *world, a, b postBox) {
	ann := w.chatter(a, "ann", a.domain(), true)
	ann.reads("ann [ann@u.")
	bob := w.chatter(b, "bob", b.friend+".peer.home.arpa", false)
	bob.reads("bob [bob@u.")
	ann.reads("bob [")
	ann.says("hello-from-ann")
	bob.reads("hello-from-ann")
	bob.says("hello-from-bob")
	ann.reads("hello-from-bob")
	if log := ann.log("#home") + bob.log("#home"); !strings.Contains(log, "@u.") || strings.Contains(log, "127.") ||
		strings.Contains(log, "192.168.") {
		w.Errorf("hosts are not cloaked:\n%s", log)
	}
	cat := w.ircClient("cat", w.laptop, box4+":6667")
	if topic := cat.join("#home"); !strings.Contains(topic, "the kitchen table") {
		w.Errorf("the topic is %q", topic)
	}
	cat.Close()

	// The owner sends bob away, who cannot come back by the same circuit.
	out := w.must(a.node, "tunic", "irc", "ban", "bob", "--for", "10m")
	quits := regexp.MustCompile(`-!- (\S+) \[\S+ has quit`)
	gone := func() (nicks []string) {
		for _, m := range quits.FindAllStringSubmatch(ann.log("#home"), -1) {
			nicks = append(nicks, m[1])
		}
		slices.Sort(nicks)
		return nicks
	}
	w.eventually("bob and cat have quit", chatLimit, func() bool { return len(gone()) >= 2 })
	if w.Failed() {
		w.Logf("ann has read\n%s", ann.log("#home"))
	}
	cloak := regexp.MustCompile(`u\.[0-9a-f]+`).FindString(out)
	if list := w.must(a.node, "tunic", "irc", "bans"); cloak == "" || !strings.Contains(list, cloak) {
		w.Errorf("the ban of %q is not among %q", cloak, list)
	}
	if who := gone(); !slices.Equal(who, []string{"bob", "cat"}) {
		w.Errorf("gone are %v:\n%s", who, ann.log("#home"))
	}
	w.must(a.node, "tunic", "irc", "unban", cloak)
	if list := w.must(a.node, "tunic", "irc", "bans"); list != "nobody is banned" {
		w.Errorf("there are bans: %q", list)
	}
	if r := w.exec(a.node, "tunic", "irc", "ban", "nobodyhere"); r.Code != 2 || !strings.Contains(r.Stderr, "nobody is called") {
		w.Errorf("a ban of nobody: status %d, %s", r.Code, r.Stderr)
	}
	operator(w, a)
}

// operator: an admin of the house becomes one by an own password, and nobody else.
func operator(w *world, a postBox) {
	w.must(a.node, "sh", "-c", "echo "+shellQuote(mailPassword)+" | tunic user add dora --role admin")
	defer w.must(a.node, "tunic", "user", "remove", "dora")
	line := w.must(a.node, "tunic", "irc", "operator", "dora")
	tries := 0
	try := func(line, answer string) bool {
		tries++ // the nick of the try before may not be free yet
		c := w.ircClient("dora"+strconv.Itoa(tries), w.laptop, box4+":6667")
		defer w.pause(time.Second) // the server takes a moment to see that ann is gone, and ten from one device at most
		defer c.Close()
		fmt.Fprintf(c, "%s\r\n", strings.TrimPrefix(line, "/"))
		return strings.Contains(c.until(" 381 ", " 464 "), " "+answer+" ")
	}
	w.eventually("ann is an operator", 30*time.Second, func() bool { return try(line, "381") })
	if wrong := line[:len(line)-1] + "1"; !try(wrong, "464") { // a digit that no password has
		w.Error("another password is taken")
	}
	w.must(a.node, "tunic", "user", "role", "dora", "member")
	w.eventually("ann is none any more", 30*time.Second, func() bool { return try(line, "464") })
	if r := w.exec(a.node, "tunic", "irc", "operator", "dora"); r.Code != 2 || !strings.Contains(r.Stderr, "no admin is called") {
		w.Errorf("the password of a member: status %d, %s", r.Code, r.Stderr)
	}
}

// ircClient is a client of IRC that does what a person would not.
type ircClient struct {
	net.Conn
	world *world
	lines *bufio.Scanner
	nick  string
}

// ircClient logs in at an address, through SOCKS if it is an onion's.
func (w *world) ircClient(nick string, from traffic.Host, addr string) *ircClient {
	w.Helper()
	c := &ircClient{world: w, nick: nick}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		w.Fatal(err)
	}
	if strings.HasSuffix(host, ".onion") {
		c.Conn, err = from.Dial(w.ctx, "tcp", friendBox+":9050")
		if err == nil {
			n, _ := strconv.Atoi(port)
			fmt.Fprintf(c, "\x05\x01\x00\x05\x01\x00\x03%c%s%c%c", len(host), host, n>>8, n&0xff)
			_, err = io.ReadFull(c, make([]byte, 12))
		}
	} else {
		c.Conn, err = from.Dial(w.ctx, "tcp", addr)
	}
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	c.lines = bufio.NewScanner(c)
	fmt.Fprintf(c, "NICK %s\r\nUSER x 0 * :x\r\n", nick)
	c.until(" 376 ", " 422 ")
	return c
}

// until reads to a line with one of these words, and answers pings.
func (c *ircClient) until(words ...string) string {
	c.world.Helper()
	c.SetReadDeadline(time.Now().Add(chatLimit))
	for c.lines.Scan() {
		line := c.lines.Text()
		if rest, ok := strings.CutPrefix(line, "PING "); ok {
			fmt.Fprintf(c, "PONG %s\r\n", rest)
		}
		if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(line, word) }) {
			return line
		}
	}
	c.world.Fatalf("%s waited for %q: %v", c.nick, words, c.lines.Err())
	return ""
}

// join enters a channel and returns the line with its topic.
func (c *ircClient) join(name string) string {
	c.world.Helper()
	fmt.Fprintf(c, "JOIN %s\r\n", name)
	return c.until(" 332 ", " 366 ")
}

// floodChat: a visitor who says too much through one circuit is slowed down or
// cut off, one who opens too much gets no more, and others chat on.
func floodChat(w *world, a postBox) {
	onion := a.key + ".onion"
	ann := w.chatter(a, "ann3", "box.home.arpa", true)
	ann.reads("ann3 [")
	bad := w.ircClient("bad", w.friendLaptop(), onion+":6667")
	bad.join("#home")
	begin := time.Now()
	bad.SetWriteDeadline(begin.Add(90 * time.Second))
	sent, err := 0, error(nil)
	for line := ""; err == nil; sent++ {
		line = fmt.Sprintf("PRIVMSG #home :flood-%d %s\r\n", sent, strings.Repeat("x", 400))
		_, err = io.WriteString(bad, line)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Errorf("the flood is not cut after %v", time.Since(begin))
	}
	ann.says("still-here")
	ann.reads("still-here")
	through := strings.Count(ann.log("#home"), "flood-")
	w.Logf("of %d lines of a flood, cut after %v, %d came through", sent, time.Since(begin).Round(time.Second), through)
	if sent < 100 || through > 100 {
		w.Errorf("%d of %d lines of a flood came through", through, sent)
	}
	bad.Close()

	// A stream of servers that says nothing right: it is ended, and the users of
	// both boxes write on (the next test).
	laptop := w.friendLaptop()
	ended := 0
	for range 5 {
		c, err := laptop.Dial(w.ctx, "tcp", friendBox+":9050")
		if err != nil {
			w.Fatal(err)
		}
		fmt.Fprintf(c, "\x05\x01\x00\x05\x01\x00\x03%c%s%c%c", len(onion), onion, 5269>>8, 5269&0xff)
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadFull(c, make([]byte, 12)); err == nil {
			io.WriteString(c, strings.Repeat("<x>", 1<<18))
			if _, err := io.Copy(io.Discard, c); err == nil || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
				ended++
			}
		}
		c.Close()
	}
	if ended != 5 {
		w.Errorf("%d of 5 streams of junk were ended", ended)
	}

	// Who opens many connections on one circuit is let in some times only.
	var many []*ircClient
	for i := range 5 {
		many = append(many, w.ircClient("many"+strconv.Itoa(i), laptop, onion+":6667"))
	}
	var refused int
	for range 30 {
		c, err := laptop.Dial(w.ctx, "tcp", friendBox+":9050")
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "\x05\x01\x00\x05\x01\x00\x03%c%s%c%c", len(onion), onion, 6667>>8, 6667&0xff)
		c.SetDeadline(time.Now().Add(2 * time.Second))
		reply := make([]byte, 200)
		io.ReadFull(c, reply[:12])
		if n, err := c.Read(reply); n == 0 && errors.Is(err, io.EOF) ||
			strings.Contains(strings.ToLower(string(reply[:n])), "too many connections") {
			refused++
		}
	}
	if refused < 20 {
		w.Errorf("of 30 more connections of one circuit %d were refused", refused)
	}
	for _, c := range many {
		c.Close()
	}
	other := w.ircClient("other", w.laptop, box4+":6667")
	other.join("#home")
	other.Close()
}
