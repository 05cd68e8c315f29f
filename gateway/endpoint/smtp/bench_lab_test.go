//go:build lab

package smtp

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
	"tunic/internal/bench"
)

// benchSenders are how many connections send at a time, and how many mails in
// each turn.
var benchSenders = []struct{ senders, mails int }{{1, 200}, {4, 400}, {20, 600}}

const benchRounds = 7

// The variables say which disk is measured: that of a directory, or one that
// takes a while for each sync.
const (
	benchDisk = "TUNIC_BENCH_DISK"
	benchSync = "TUNIC_BENCH_SYNC"
)

// benchBody is 4 KB, as most mail.
var benchBody = strings.Repeat(strings.Repeat("x", 62)+"\r\n", 64)

// BenchmarkPeers measures mails that are on the disk when their "250" is sent:
// here with signature, ledger and delivery to a Maildir, and by Debian's
// Postfix with delivery to a Maildir, in the same directory, in turns. A turn
// begins when all mails of the last are in the mailbox.
func BenchmarkPeers(b *testing.B) {
	disk, label := cmp.Or(os.Getenv(benchDisk), "."), "mail, " // /tmp may be memory
	if wait, err := time.ParseDuration(os.Getenv(benchSync)); err == nil {
		disk, label = slowDisk(b, wait), fmt.Sprintf("mail, a sync takes %s, ", wait)
	}
	dir, err := os.MkdirTemp(disk, ".bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // Postfix has users of its own
		b.Fatal(err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		b.Fatal(err)
	}
	ways := []benchServer{startTunic(b, filepath.Join(dir, "tunic")), startPostfix(b, filepath.Join(dir, "postfix"))}
	for _, load := range benchSenders {
		all := make(map[string][]float64)
		var turns []bench.Way
		for _, w := range ways {
			turns = append(turns, bench.Way{Name: w.name, Once: func() float64 {
				accepted, stored := w.turn(b, load.senders, load.mails)
				all[w.name] = append(all[w.name], stored)
				return accepted
			}})
		}
		seen := bench.Turns(benchRounds, turns)
		for way := range all {
			all[way] = all[way][1:] // as Turns does
		}
		name := fmt.Sprintf("%s%d at once: ", label, load.senders)
		bench.Report(b, bench.Compare(name+"accepted", "1/s", bench.More, 1.1, seen, "postfix"), seen)
		bench.Report(b, bench.Compare(name+"in the mailbox", "1/s", bench.More, 1, all, "postfix"), all)
	}
	b.ReportMetric(0, "ns/op")
}

// benchServer is a server that is measured.
type benchServer struct {
	name, addr, from, to string
	mailbox              string // its new mail
	letter               func() string
}

// turn sends mails over some connections, waits until they are in the mailbox,
// and returns how many a second were accepted and stored.
func (s *benchServer) turn(b *testing.B, senders, mails int) (accepted, stored float64) {
	letters := make([]string, mails)
	for i := range letters {
		letters[i] = s.letter()
	}
	for _, name := range s.new(b) {
		if err := os.Remove(filepath.Join(s.mailbox, name)); err != nil {
			b.Fatal(err)
		}
	}
	syscall.Sync() // what the last turn has left is not this one's
	begin := time.Now()
	s.send(b, letters, senders)
	accepted = float64(mails) / time.Since(begin).Seconds()
	for len(s.new(b)) < mails {
		if time.Since(begin) > 2*time.Minute {
			b.Fatalf("%s has delivered %d mails of %d", s.name, len(s.new(b)), mails)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return accepted, float64(mails) / time.Since(begin).Seconds()
}

// new lists the new mail.
func (s *benchServer) new(b *testing.B) []string {
	dir, err := os.Open(s.mailbox)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		b.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		b.Fatal(err)
	}
	return names
}

// startTunic runs two houses; the one sends to the other.
func startTunic(b *testing.B, dir string) benchServer {
	b.Helper()
	n := newNetwork()
	sender, h := &house{net: n, dir: filepath.Join(dir, "a")}, &house{net: n, dir: filepath.Join(dir, "b")}
	for seed, x := range map[string]*house{"a": sender, "b": h} {
		x.t = b
		x.key, x.sign = identity(seed)
		x.start()
		b.Cleanup(x.stop)
	}
	befriend(sender, h)
	h.Set(Config{Home: h.key, MaxSize: 1 << 20, Friends: map[string]onion.Address{"abe": sender.key}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go endpoint.Serve(b.Context(), ln, h.Friends(), endpoint.NewLimiter(endpoint.Limits{}), func(net.Conn) endpoint.Visitor {
		return endpoint.Visitor{Host: h.key.Host(), Port: 25}
	}, h.Log)
	i := 0
	letter := func() string {
		i++
		return sender.signed(fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: x\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"+
			"%s: <message-%d@%s>\r\n\r\n%s",
			sender.at("ann"), h.at("bob"), transferField, i, address.Domain(sender.key), benchBody))
	}
	return benchServer{name: "tunic", addr: ln.Addr().String(), from: sender.at("ann"), to: h.at("bob"), letter: letter,
		mailbox: filepath.Join(h.maildir("bob"), "new")}
}

// send sends letters over some connections.
func (s *benchServer) send(b *testing.B, letters []string, senders int) {
	var all sync.WaitGroup
	for k := range senders {
		all.Go(func() {
			c, err := textproto.Dial("tcp", s.addr)
			if err == nil {
				defer c.Close()
				_, _, err = c.ReadResponse(220)
			}
			if err == nil {
				err = command(c, 250, "EHLO bench.test")
			}
			for i := k; i < len(letters) && err == nil; i += senders {
				err = sendOne(c, s.from, s.to, letters[i])
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}

func command(c *textproto.Conn, code int, format string, args ...any) error {
	if err := c.PrintfLine(format, args...); err != nil {
		return err
	}
	_, _, err := c.ReadResponse(code)
	return err
}

func sendOne(c *textproto.Conn, from, to, text string) error {
	for _, step := range []struct {
		code int
		line string
	}{{250, "MAIL FROM:<" + from + ">"}, {250, "RCPT TO:<" + to + ">"}, {354, "DATA"}} {
		if err := command(c, step.code, "%s", step.line); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(c.W, text+".\r\n"); err != nil {
		return err
	}
	if err := c.W.Flush(); err != nil {
		return err
	}
	_, _, err := c.ReadResponse(250)
	return err
}

// startPostfix runs a Postfix of its own in dir until the benchmark is over. It
// listens on loopback and sends nothing anywhere.
func startPostfix(b *testing.B, dir string) benchServer {
	b.Helper()
	port := freePort(b)
	conf := filepath.Join(dir, "conf")
	for _, d := range []string{conf, filepath.Join(dir, "queue"), filepath.Join(dir, "data"), filepath.Join(dir, "mail")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks =
virtual_mailbox_domains = bench.test
virtual_mailbox_maps = static:bob/
virtual_mailbox_base = %[1]s/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
default_transport = error
relay_transport = error
smtputf8_enable = no
in_flow_delay = 0
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
`, dir)
	raw, err := os.ReadFile("/usr/share/postfix/master.cf.dist")
	if err != nil {
		b.Fatalf("Postfix is not there (apt-get install postfix): %v", err)
	}
	var master strings.Builder
	lines := bufio.NewScanner(strings.NewReader(string(raw)))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "smtp ") && strings.Contains(line, "inet") {
			line = fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd", port)
		}
		fields := strings.Fields(line)
		if len(fields) > 4 && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, " ") {
			fields[4] = "n" // no chroot: there are no files in it
			line = strings.Join(fields, " ")
		}
		master.WriteString(line + "\n")
	}
	for name, text := range map[string]string{"main.cf": main, "master.cf": master.String()} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for d, user := range map[string]string{"data": "postfix", "mail": "nobody"} {
		if out, err := exec.Command("chown", user, filepath.Join(dir, d)).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	if out, err := exec.Command("postfix", "-c", conf, "start").CombinedOutput(); err != nil {
		b.Fatalf("starting Postfix: %v: %s", err, out)
	}
	b.Cleanup(func() {
		if out, err := exec.Command("postfix", "-c", conf, "stop").CombinedOutput(); err != nil {
			b.Errorf("stopping Postfix: %v: %s", err, out)
		}
	})
	for range 100 {
		if c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			c.Close()
			return benchServer{name: "postfix", addr: fmt.Sprint("127.0.0.1:", port), from: "a@bench.test", to: "bob@bench.test",
				mailbox: filepath.Join(dir, "mail", "bob", "new"),
				letter:  func() string { return "From: a@bench.test\r\nTo: bob@bench.test\r\nSubject: x\r\n\r\n" + benchBody }}
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("Postfix does not listen")
	return benchServer{}
}

func freePort(b *testing.B) int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
