//go:build lab

package smtp

import (
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tunic/gateway/endpoint"
	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
	"tunic/internal/bench"
)

// BenchmarkPeers has 1, 4 and 20 senders hand mails to us and to Postfix, in turns, on the
// same disk. A mail counts when its "250" has come, with which it is on the disk.
func BenchmarkPeers(b *testing.B) {
	const rounds, mails = 5, 240
	dir, err := os.MkdirTemp(".", ".bench-") // on a disk; /tmp may be memory
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if dir, err = filepath.Abs(dir); err != nil {
		b.Fatal(err)
	}
	post := filepath.Join(dir, "postfix")
	if err := os.Mkdir(post, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // Postfix has users of its own
		b.Fatal(err)
	}
	port := freePort(b)
	startPostfix(b, post, port)
	own := mailsOf(b, filepath.Join(dir, "own"))
	theirs := mailer{fmt.Sprint("127.0.0.1:", port), "a@bench.test", "bob@bench.test", func() string {
		return "From: a@bench.test\r\nTo: bob@bench.test\r\nSubject: x\r\n\r\n" + benchBody
	}}
	for _, senders := range []int{1, 4, 20} {
		seen := bench.Turns(rounds, []bench.Way{
			{Name: "tunic", Once: func() float64 { return own.perSecond(b, senders, mails) }},
			{Name: "postfix", Once: func() float64 { return theirs.perSecond(b, senders, mails) }},
		})
		name := fmt.Sprintf("mail: accepted, %d at once", senders)
		bench.Report(b, bench.Compare(name, "1/s", bench.More, 1.1, seen, "postfix"), seen)
	}
	b.ReportMetric(0, "ns/op")
}

// mailer is a server, and who writes to whom there.
type mailer struct {
	addr, from, to string
	next           func() string // the next mail
}

// mailsOf starts a house that takes a friend's mail.
func mailsOf(b *testing.B, dir string) mailer {
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
	h.Set(Config{Home: h.key, MaxSize: 1 << 20, Quota: 1 << 30, Friends: map[string]onion.Address{"abe": sender.key}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go endpoint.Serve(b.Context(), ln, h.Friends(), endpoint.NewLimiter(endpoint.Limits{}), func(net.Conn) endpoint.Visitor {
		return endpoint.Visitor{Host: h.key.Host(), Port: 25}
	}, h.Log)
	written := 0
	return mailer{ln.Addr().String(), sender.at("ann"), h.at("bob"), func() string {
		written++
		return sender.signed(fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: x\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"+
			"%s: <peers-%d@%s>\r\n\r\n%s",
			sender.at("ann"), h.at("bob"), transferField, written, address.Domain(sender.key), benchBody))
	}}
}

// perSecond sends mails, each sender an equal part on one connection, and returns how many
// a second were accepted.
func (m mailer) perSecond(b *testing.B, senders, mails int) float64 {
	b.Helper()
	letters := make([]string, mails)
	for i := range letters {
		letters[i] = m.next()
	}
	var all sync.WaitGroup
	begin := time.Now()
	for k := range senders {
		all.Go(func() {
			c, err := textproto.Dial("tcp", m.addr)
			if err == nil {
				defer c.Close()
				_, _, err = c.ReadResponse(220)
			}
			if err == nil {
				err = command(c, 250, "EHLO bench.test")
			}
			for i := k; i < mails && err == nil; i += senders {
				err = sendOne(c, m.from, m.to, letters[i])
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return float64(mails) / time.Since(begin).Seconds()
}
