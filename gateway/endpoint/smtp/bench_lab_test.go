//go:build lab

package smtp

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/smtp/address"
)

// benchClients is how many connections send at a time.
const benchClients = 4

// benchBody is 4 KB, as most mail.
var benchBody = strings.Repeat(strings.Repeat("x", 62)+"\r\n", 64)

// BenchmarkAccept measures mails that are on the disk when their "250" is sent:
// here with signature, ledger and delivery to a Maildir, and by Debian's
// Postfix with delivery to a Maildir, in the same directory and run.
func BenchmarkAccept(b *testing.B) {
	dir, err := os.MkdirTemp(".", ".bench-") // on a disk; /tmp may be memory
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
	for name, bench := range map[string]func(*testing.B, string){"tunic": benchTunic, "postfix": benchPostfix} {
		b.Run(name, func(b *testing.B) {
			run, err := os.MkdirTemp(dir, name) // each run begins with nothing
			if err == nil {
				err = os.Chmod(run, 0o755)
			}
			if err != nil {
				b.Fatal(err)
			}
			bench(b, run)
		})
	}
}

func benchTunic(b *testing.B, dir string) {
	n := newNetwork()
	sender, h := &house{net: n, dir: filepath.Join(dir, "a")}, &house{net: n, dir: filepath.Join(dir, "b")}
	for seed, x := range map[string]*house{"a": sender, "b": h} {
		x.t = b
		x.key, x.sign = identity(seed)
		x.start()
		defer x.stop()
	}
	befriend(sender, h)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go endpoint.Serve(b.Context(), ln, h.Friends(), endpoint.NewLimiter(endpoint.Limits{}), func(net.Conn) endpoint.Visitor {
		return endpoint.Visitor{Host: h.key.Host(), Port: 25}
	}, h.Log)
	letters := make([]string, b.N)
	for i := range letters {
		letters[i] = sender.signed(fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: x\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"+
			"%s: <message-%d@%s>\r\n\r\n%s",
			sender.at("ann"), h.at("bob"), transferField, i, address.Domain(sender.key), benchBody))
	}
	b.ResetTimer()
	send(b, ln.Addr().String(), sender.at("ann"), h.at("bob"), func(i int) string { return letters[i] })
}

func benchPostfix(b *testing.B, dir string) {
	port := freePort(b)
	startPostfix(b, dir, port)
	text := "From: a@bench.test\r\nTo: bob@bench.test\r\nSubject: x\r\n\r\n" + benchBody
	b.ResetTimer()
	send(b, fmt.Sprint("127.0.0.1:", port), "a@bench.test", "bob@bench.test", func(int) string { return text })
}

// send sends b.N mails over some connections and reports mails per second.
func send(b *testing.B, addr, from, to string, text func(int) string) {
	begin := time.Now()
	var all sync.WaitGroup
	for k := range benchClients {
		all.Go(func() {
			c, err := textproto.Dial("tcp", addr)
			if err == nil {
				defer c.Close()
				_, _, err = c.ReadResponse(220)
			}
			if err == nil {
				err = command(c, 250, "EHLO bench.test")
			}
			for i := k; i < b.N && err == nil; i += benchClients {
				err = sendOne(c, from, to, text(i))
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "mails/s")
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
func startPostfix(b *testing.B, dir string, port int) {
	b.Helper()
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
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("Postfix does not listen")
}

func freePort(b *testing.B) int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
