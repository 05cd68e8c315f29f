//go:build lab

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/internal/lab/traffic"
)

// mailPassword is that of every user in the lab.
const mailPassword = "tall order of chips"

// burst is how many mails are sent at once; `make chaos-mail` sends more.
const burst = 100

// postBox is a household with mail: its gateway, a device in it, and its user.
type postBox struct {
	node, laptop, user string
	addr               string // of the gateway in the household
	key                string // the 56 letters of its home
	friend             string // what it calls the other
}

// domain is the box's own in mail addresses.
func (b postBox) domain() string { return b.key + ".peer.home.arpa" }

// at is its user's address.
func (b postBox) at() string { return b.user + "@" + b.domain() }

// testSMTP sets mail up in both households, whose boxes are friends, and sends.
func testSMTP(w *world) {
	a, b := w.mailBoxes()
	w.run("swaks sends, and the friend's box has proved it", func(w *world) { swaks(w, a, b) })
	w.run("mutt and msmtp send, logged in by SCRAM", func(w *world) { mutt(w, b, a) })
	w.run("whom the box cannot reach is refused at once", func(w *world) { refusedAtOnce(w, a) })
	w.run("forgers, outsiders and relays", func(w *world) { forgers(w, a, b) })
	w.run("60 MB", func(w *world) { tooLong(w, a, b) })
	w.run("a group", func(w *world) { group(w, a, b) })
	w.run("a burst", func(w *world) { mailBurst(w, a, b, burst) })
	w.run("a friend who is off", func(w *world) { friendIsOff(w, a, b) })
	w.run("logs tell nobody's address", func(w *world) { quietLogs(w, a, b) })
}

// mailBoxes makes both boxes friends with mail.
func (w *world) mailBoxes() (a, b postBox) {
	w.Helper()
	a = postBox{node: "gateway", laptop: "laptop", user: "ann", addr: "192.168.77.1", friend: "bea"}
	b = postBox{node: "friend", laptop: "friend-laptop", user: "bob", addr: "192.168.78.1", friend: "abe"}
	a.key = strings.TrimSuffix(w.must(a.node, "tunic", "address", "home"), ".onion")
	b.key = strings.TrimSuffix(w.must(b.node, "tunic", "address", "home"), ".onion")
	w.setUpMail(a, b)
	w.setUpMail(b, a)
	return a, b
}

func (w *world) setUpMail(own, other postBox) {
	w.Helper()
	path := filepath.Join(config.NewPaths(w.lab.Root(own.node)).PeerDir(), own.friend+".toml")
	w.write(path, fmt.Sprintf("onion = %q\nclient = %q\n", other.key, "AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QA"))
	w.Cleanup(func() {
		w.remove(path)
		w.must(own.node, "tunic", "reload")
	})
	w.mailUser(own)
}

// mailUser has a box take mail, and gives it its user.
func (w *world) mailUser(own postBox) {
	w.Helper()
	path := filepath.Join(config.NewPaths(w.lab.Root(own.node)).EndpointDir(), "smtp.toml")
	w.write(path, "")
	w.must(own.node, "sh", "-c", "echo "+shellQuote(mailPassword)+" | tunic user add "+own.user)
	w.must(own.node, "tunic", "reload")
	w.Cleanup(func() {
		w.remove(path)
		w.must(own.node, "tunic", "user", "remove", own.user)
		w.must(own.node, "tunic", "reload")
	})
}

func shellQuote(s string) string { return "'" + s + "'" }

// inbox returns what has arrived at a postBox since it was last emptied.
func (w *world) inbox(b postBox) []string {
	w.Helper()
	paths, err := filepath.Glob(filepath.Join(w.lab.Root(b.node), "var/lib/tunic/mail", b.user, "Maildir/new/*"))
	if err != nil {
		w.Fatal(err)
	}
	var texts []string
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			w.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// clear empties a postBox's inbox.
func (w *world) clear(b postBox) {
	w.Helper()
	paths, _ := filepath.Glob(filepath.Join(w.lab.Root(b.node), "var/lib/tunic/mail", b.user, "Maildir/new/*"))
	for _, p := range paths {
		if err := os.Remove(p); err != nil {
			w.Fatal(err)
		}
	}
}

// arrived waits for a mail whose text contains a word, and returns it.
func (w *world) arrived(b postBox, word string) string {
	w.Helper()
	found := ""
	took := w.eventually("a mail with "+word+" at "+b.node, 90*time.Second, func() bool {
		for _, text := range w.inbox(b) {
			if strings.Contains(text, word) {
				found = text
			}
		}
		return found != ""
	})
	w.timed("mail with "+word+" at "+b.node, took)
	return found
}

// queue returns what waits at a postBox.
func (w *world) queue(b postBox) []api.Letter {
	w.Helper()
	var list []api.Letter
	if err := json.Unmarshal([]byte(w.must(b.node, "tunic", "mail", "queue", "--json")), &list); err != nil {
		w.Fatal(err)
	}
	return list
}

func swaks(w *world, a, b postBox) {
	w.must(a.laptop, "swaks", "--server", a.addr+":587", "--tls", "--auth", "PLAIN",
		"--auth-user", a.user, "--auth-password", mailPassword,
		"--from", a.user+"@box.home.arpa", "--to", b.user+"@"+a.friend+".peer.home.arpa", "--header", "Subject: from swaks")
	text := w.arrived(b, "Subject: from swaks")
	if want := "dkim=pass header.d=" + a.domain(); !strings.Contains(text, want) {
		w.Errorf("no %q in\n%s", want, text)
	}
	if !strings.Contains(text, "From: "+a.at()) && !strings.Contains(text, "<"+a.at()+">") || !strings.Contains(text, "To: "+b.at()) {
		w.Errorf("the addresses are not those that every house knows:\n%s", text)
	}
	host, _ := os.Hostname()
	for _, secret := range []string{"192.168.", "peer.home.arpa.", a.friend + ".peer", "@" + host + ">", "box.home.arpa"} {
		if strings.Contains(text, secret) {
			w.Errorf("the mail tells of %q:\n%s", secret, text)
		}
	}
}

// mutt writes a mail and hands it to msmtp, which trusts the house's CA.
func mutt(w *world, from, to postBox) {
	dir := filepath.Join(w.lab.Root(from.node), "srv")
	files := map[string]string{
		"ca.crt": w.must(from.node, "tunic", "ca") + "\n",
		"msmtprc": fmt.Sprintf("account default\nhost box.home.arpa\nport 587\ntls on\ntls_starttls on\n"+
			"tls_trust_file %s/ca.crt\nauth scram-sha-256\nuser %s\npassword \"%s\"\nfrom %s\n",
			dir, from.user, mailPassword, from.at()),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	w.must(from.laptop, "sh", "-c", fmt.Sprintf("echo hello from mutt | HOME=%s mutt -n -F /dev/null -e "+
		"'set sendmail=\"msmtp -C %s/msmtprc\" use_envelope_from=yes copy=no from=\"%s\"' -s 'from mutt' -- %s@%s.peer.home.arpa",
		dir, dir, from.at(), to.user, from.friend))
	text := w.arrived(to, "hello from mutt")
	if want := "dkim=pass header.d=" + from.domain(); !strings.Contains(text, want) {
		w.Errorf("no %q in\n%s", want, text)
	}
}

func refusedAtOnce(w *world, a postBox) {
	third := "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.peer.home.arpa"
	for to, want := range map[string]string{"eve@example.com": "550 5.7.1",
		"eve@" + third:            "550 5.1.2 you are not connected with this box: ask bea to introduce you",
		"eve@carl.peer.home.arpa": "550 5.1.2 no friend is called", "nobody@box.home.arpa": "550 5.1.1"} {
		r := w.exec(a.laptop, "swaks", "--server", a.addr+":587", "--tls", "--auth", "PLAIN",
			"--auth-user", a.user, "--auth-password", mailPassword,
			"--from", a.at(), "--to", to, "--quit-after", "RCPT")
		if r.Code == 0 || !strings.Contains(r.Stdout+r.Stderr, want) {
			w.Errorf("%s: status %d, want %q in\n%s", to, r.Code, want, r.Stdout)
		}
	}
}

// outsider is a conversation on port 25 of a postBox's home, over Tor from the
// other household.
func (w *world) outsider(from, to postBox) *textproto.Conn {
	w.Helper()
	n, err := w.lab.Plan().Node(from.laptop)
	if err != nil {
		w.Fatal(err)
	}
	host := traffic.Host{Namespace: n.Namespace}
	var conn net.Conn
	w.eventually("a connection to port 25", 60*time.Second, func() bool {
		reply, err := w.question(host, "udp", from.addr, to.key+".onion", dns.TypeA, 10*time.Second)
		if err != nil || len(answers(reply)) != 1 {
			return false
		}
		conn, err = host.Dial(w.ctx, "tcp", net.JoinHostPort(answers(reply)[0], "25"))
		if err != nil {
			return false
		}
		conn.SetDeadline(time.Now().Add(60 * time.Second))
		return true
	})
	c := textproto.NewConn(conn)
	w.reply(c, "220 "+to.domain())
	return c
}

// reply wants a reply that begins with want.
func (w *world) reply(c *textproto.Conn, want string) {
	w.Helper()
	for {
		line, err := c.ReadLine()
		if err != nil {
			w.Fatalf("%v, want %q", err, want)
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, want) {
			w.Errorf("got %q, want %q", line, want)
		}
		return
	}
}

func (w *world) say(c *textproto.Conn, line, want string) {
	w.Helper()
	if err := c.PrintfLine("%s", line); err != nil {
		w.Fatal(err)
	}
	w.reply(c, want)
}

func forgers(w *world, a, b postBox) {
	c := w.outsider(b, a)
	defer c.Close()
	w.say(c, "EHLO x", "250 ")
	w.say(c, "MAIL FROM:<eve@example.com>", "550 5.7.1 ")
	w.say(c, "MAIL FROM:<eve@sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.peer.home.arpa>",
		"550 5.7.1 your box is not connected")
	w.say(c, "MAIL FROM:<"+b.at()+">", "250 ")
	for _, to := range []string{"eve@example.com", "eve%example.com@" + a.domain(),
		"example.com!eve@" + a.domain(), `"eve@example.com"@` + a.domain(),
		"@" + a.domain() + ":eve@example.com", "eve@[127.0.0.1]", b.at(), "ann@box.home.arpa", "nobody@" + a.domain()} {
		w.say(c, "RCPT TO:<"+to+">", "5")
	}
	w.say(c, "VRFY ann", "252 ")
	w.say(c, "RCPT TO:<postmaster@"+a.domain()+">", "250 ")
	w.say(c, "DATA", "354 ")
	w.say(c, "From: "+b.at()+"\r\nSubject: forged\r\n\r\nx\r\n.", "550 5.7.22 ")
	for _, text := range w.inbox(a) {
		if strings.Contains(text, "forged") {
			w.Error("a forged mail arrived")
		}
	}
}

func tooLong(w *world, a, b postBox) {
	c, err := w.submit(w.ctx, a)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	text := "From: " + a.at() + "\r\nTo: " + b.at() + "\r\nSubject: long\r\n\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 600_000)
	err = sendBy(c, a.at(), b.at(), text)
	if !isAnswer(err) || !strings.HasPrefix(err.Error(), "552 ") {
		w.Errorf("60 MB were answered %v", err)
	}
}

// isAnswer reports whether a server has refused, as opposed to gone away.
func isAnswer(err error) bool {
	var answer *textproto.Error
	return errors.As(err, &answer) && answer.Code != 421
}

// submit logs in at port 587 of a postBox.
func (w *world) submit(ctx context.Context, b postBox) (*smtp.Client, error) {
	n, err := w.lab.Plan().Node(b.laptop)
	if err != nil {
		return nil, err
	}
	conn, err := traffic.Host{Namespace: n.Namespace}.Dial(ctx, "tcp", b.addr+":587")
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(3 * time.Minute))
	c, err := smtp.NewClient(conn, "box.home.arpa")
	if err == nil {
		err = c.StartTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "box.home.arpa"})
	}
	if err == nil {
		err = c.Auth(smtp.PlainAuth("", b.user, mailPassword, "box.home.arpa"))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// sendBy sends one mail; nil means that the server has promised to deliver it.
func sendBy(c *smtp.Client, from, to, text string) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return errors.Join(err, c.Reset())
	}
	d, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := bytes.NewReader([]byte(text)).WriteTo(d); err != nil {
		return err
	}
	return d.Close()
}

func group(w *world, a, b postBox) {
	path := filepath.Join(w.paths().GroupDir(), "choir.toml")
	w.write(path, fmt.Sprintf("title = \"The Choir\"\nmembers = [%q, %q]\n", a.user, b.user+"@"+a.friend))
	w.must(a.node, "tunic", "reload")
	defer func() { w.remove(path); w.must(a.node, "tunic", "reload") }()
	c, err := w.submit(w.ctx, b)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	if err := sendBy(c, b.at(), "choir@"+b.friend+".peer.home.arpa", "From: "+b.at()+"\r\nSubject: song\r\n\r\nx\r\n"); err != nil {
		w.Fatal(err)
	}
	for _, member := range []postBox{a, b} {
		if text := w.arrived(member, "Subject: song"); !strings.Contains(text, "List-Id: \"The Choir\" <choir."+a.domain()+">") {
			w.Errorf("%s got\n%s", member.user, text)
		}
	}
}

// mailBurst sends n mails from a to b as fast as they are taken; each arrives once.
func mailBurst(w *world, a, b postBox, n int) {
	w.clear(b)
	begin := time.Now()
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			c, err := w.submit(w.ctx, a)
			if err != nil {
				w.Error(err)
				return
			}
			defer c.Close()
			for i := worker; i < n; i += 4 {
				if err := sendBy(c, a.at(), b.at(), fmt.Sprintf("From: %s\r\nSubject: burst %d\r\n\r\nx\r\n", a.at(), i)); err != nil {
					w.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	taken := time.Since(begin)
	w.timed(fmt.Sprintf("%d mails accepted", n), taken)
	w.eventually("the burst has arrived", 2*time.Minute, func() bool { return len(w.inbox(b)) >= n })
	took := time.Since(begin)
	w.Logf("burst: %d mails, %.0f/s accepted, %.1f/s delivered through Tor", n, float64(n)/taken.Seconds(), float64(n)/took.Seconds())
	w.eventually("the queue is empty", 30*time.Second, func() bool { return len(w.queue(a)) == 0 })
	if got := once(w.inbox(b), "burst "); len(got.twice) > 0 || got.different != n {
		w.Errorf("%d different mails of %d arrived, twice: %v", got.different, n, got.twice)
	}
}

// counted says how many different subjects there are, and which more than once.
type counted struct {
	different int
	twice     []string
	subjects  map[string]int
}

func once(texts []string, prefix string) counted {
	c := counted{subjects: make(map[string]int)}
	for _, text := range texts {
		h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(text))).ReadMIMEHeader()
		if subject := h.Get("Subject"); err == nil && strings.HasPrefix(subject, prefix) {
			if c.subjects[subject]++; c.subjects[subject] == 2 {
				c.twice = append(c.twice, subject)
			}
		}
	}
	c.different = len(c.subjects)
	return c
}

// friendIsOff: mail waits, and says why; when the friend is back, flush sends it.
func friendIsOff(w *world, a, b postBox) {
	w.signalOn(b.node, syscall.SIGKILL, "tunic", "run")
	c, err := w.submit(w.ctx, a)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	if err := sendBy(c, a.at(), b.at(), "From: "+a.at()+"\r\nSubject: later\r\n\r\nx\r\n"); err != nil {
		w.Fatal(err)
	}
	w.eventually("the queue says why", 90*time.Second, func() bool {
		q := w.queue(a)
		return len(q) == 1 && q[0].Recipients[0].Reason != ""
	})
	w.Logf("the queue: %s", w.must(a.node, "tunic", "mail", "queue"))
	w.restart(b)
	w.must(a.node, "tunic", "mail", "flush", a.friend)
	w.flushed(a, b, "Subject: later")
}

// restart starts a postBox that was stopped, and waits until it works.
func (w *world) restart(b postBox) {
	w.Helper()
	if _, err := w.lab.StartDaemon(b.node); err != nil {
		w.Fatal(err)
	}
	if err := w.lab.WaitReady(w.ctx, b.node, nil); err != nil {
		w.Fatal(err)
	}
}

// flushed tries until a mail has arrived: the sender's tor may have an old
// descriptor of the friend.
func (w *world) flushed(a, b postBox, word string) {
	w.Helper()
	last := time.Now()
	w.eventually("the mail that waited", 3*time.Minute, func() bool {
		if time.Since(last) > 5*time.Second {
			w.must(a.node, "tunic", "mail", "flush")
			last = time.Now()
		}
		return strings.Contains(strings.Join(w.inbox(b), "\n"), word)
	})
}

// quietLogs: nobody's address is in a log (P09).
func quietLogs(w *world, a, b postBox) {
	for _, one := range []postBox{a, b} {
		text, err := os.ReadFile(w.lab.LogFile("tunic-" + one.node))
		if err != nil {
			w.Fatal(err)
		}
		for _, word := range []string{a.user + "@", b.user + "@", "Subject"} {
			if strings.Contains(string(text), word) {
				w.Errorf("the log of %s holds %q", one.node, word)
			}
		}
	}
}
