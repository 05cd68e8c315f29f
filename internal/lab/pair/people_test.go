//go:build lab

package pair

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tunic/internal/lab/traffic"
)

// mailing is what a sender knows of its mails, by subject.
type mailing struct {
	mu       sync.Mutex
	accepted []string
	unknown  int   // refused, or the connection broke before the answer
	last     error // of those
	done     chan struct{}
}

func (m *mailing) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.accepted)
}

func (m *mailing) wait() { <-m.done }

// setUpMail gives the household mail, with one user.
func (h *house) setUpMail(b *box) {
	h.Helper()
	h.write(filepath.Join(b.disk, "etc/tunic/endpoints/smtp.toml"), "", 0o644)
	b.must("sh", "-c", "echo '"+password+"' | tunic user add ann")
	b.must("tunic", "reload")
}

// keepMailing has the laptop send mails to its own household until ctx ends.
func (h *house) keepMailing(ctx context.Context, home string) *mailing {
	m := &mailing{done: make(chan struct{})}
	ann := "ann@" + strings.TrimSuffix(home, ".onion") + ".peer.home.arpa"
	go func() {
		defer close(m.done)
		var c *smtp.Client
		for i := 0; ctx.Err() == nil; i++ {
			if c == nil {
				if c = h.submit(ctx); c == nil {
					time.Sleep(200 * time.Millisecond)
					continue
				}
			}
			subject := fmt.Sprintf("letter %d.", i)
			err := send(c, ann, fmt.Sprintf("From: %s\r\nSubject: %s\r\n\r\n%s\r\n", ann, subject, strings.Repeat("x", 500)))
			m.mu.Lock()
			if err == nil {
				m.accepted = append(m.accepted, subject)
			} else {
				m.unknown, m.last = m.unknown+1, err
			}
			m.mu.Unlock()
			if err != nil {
				c.Close()
				c = nil
			}
			time.Sleep(150 * time.Millisecond)
		}
		if c != nil {
			c.Close()
		}
	}()
	return m
}

// submit logs the laptop in; nil if nobody answers, or hangs.
func (h *house) submit(ctx context.Context) *smtp.Client {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := traffic.Host{Namespace: h.space("laptop")}.Dial(ctx, "tcp", "192.168.77.1:587")
	if err != nil {
		return nil
	}
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		conn.Close()
		return nil
	}
	c, err := smtp.NewClient(conn, "box.home.arpa")
	if err == nil {
		err = c.StartTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "box.home.arpa"})
	}
	if err == nil {
		err = c.Auth(smtp.PlainAuth("", "ann", password, "box.home.arpa"))
	}
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(8 * time.Second)) // after which it logs in again
	}
	if err != nil {
		conn.Close()
		return nil
	}
	return c
}

// send sends one mail; nil means that the box has promised to deliver it.
func send(c *smtp.Client, at, text string) error {
	err := c.Mail(at)
	if err == nil {
		err = c.Rcpt(at)
	}
	if err != nil {
		return err
	}
	d, err := c.Data()
	if err != nil {
		return err
	}
	_, err = d.Write([]byte(text))
	return errors.Join(err, d.Close())
}

// verifyMail compares what was accepted with what has arrived.
func (h *house) verifyMail(m *mailing) {
	h.Helper()
	var lost, twice []string
	h.pause(2 * time.Second)
	arrived := h.master().inbox()
	for _, subject := range m.accepted {
		switch {
		case arrived[subject] == 0:
			lost = append(lost, subject)
		case arrived[subject] > 1:
			twice = append(twice, subject)
		}
	}
	h.Logf("pair: %d mails accepted, %d lost, %d arrived twice; of %d without a 250 %d arrived",
		len(m.accepted), len(lost), len(twice), m.unknown, len(arrived)+len(lost)-len(m.accepted))
	if len(m.accepted) == 0 || len(lost)+len(twice) > 0 {
		h.Errorf("lost: %q, twice: %q; the last error: %v", lost, twice, m.last)
	}
}

// sendAll sends what a device can send that is neither TCP nor DNS for the box, and
// segments that belong to no connection.
func (h *house) sendAll() error {
	var packets [][]byte
	for _, pair := range [][2]string{{"192.168.77.10", "203.0.113.80"}, {"2001:db8:77::10", "2001:db8::80"}, {"192.168.77.10", "8.8.8.8"}} {
		from, to := netip.MustParseAddr(pair[0]), netip.MustParseAddr(pair[1])
		at := func(port uint16) (a, b netip.AddrPort) {
			return netip.AddrPortFrom(from, 40000), netip.AddrPortFrom(to, port)
		}
		a, b := at(7)
		packets = append(packets, traffic.Datagram(a, b, []byte("leak")).Bytes(), traffic.Echo(from, to).Bytes())
		a, b = at(443)
		packets = append(packets, traffic.Datagram(a, b, []byte("quic")).Bytes(), traffic.Segment(a, b, 0x02).Bytes(),
			traffic.Segment(a, b, 0x10).Bytes())
		a, b = at(53)
		packets = append(packets, traffic.Datagram(a, b, []byte("no question")).Bytes())
	}
	return traffic.Host{Namespace: h.space("phone")}.Send(packets...)
}

func (h *house) space(node string) string {
	n, err := h.lab.Plan().Node(node)
	if err != nil {
		panic(err) // the plan is fixed
	}
	return n.Namespace
}

// on runs a program on a device.
func (h *house) on(node string, args ...string) (string, error) {
	r, err := h.lab.Exec(h.ctx, node, args...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("status %d: %s", r.Code, r.Stderr)
	}
	return r.Stdout, err
}

// eventually repeats try until it is true, and returns how long that took.
func (h *house) eventually(what string, limit time.Duration, try func() bool) time.Duration {
	h.Helper()
	begin := time.Now()
	for !try() {
		if took := time.Since(begin); took > limit {
			h.logs()
			h.Fatalf("%s: not after %v", what, took.Round(time.Millisecond))
		}
		h.pause(50 * time.Millisecond)
	}
	return time.Since(begin)
}

func (h *house) pause(d time.Duration) {
	h.Helper()
	select {
	case <-h.ctx.Done():
		h.Fatal(h.ctx.Err())
	case <-time.After(d):
	}
}

// logs shows what the boxes say.
func (h *house) logs() {
	h.Helper()
	for _, b := range h.boxes {
		out, err := b.run("tunic", "status")
		h.Logf("%s, master %v: %s %v", b.name(), b.master(), out, err)
		files, _ := filepath.Glob(h.lab.LogFile(b.name() + "-*"))
		for _, f := range append(files, filepath.Join(b.disk, "var/tunic.log")) {
			text, _ := os.ReadFile(f)
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			h.Logf("%s:\n%s", f, strings.Join(lines[max(0, len(lines)-12):], "\n"))
		}
	}
}

func (h *house) read(path string) string {
	h.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		h.Fatal(err)
	}
	return string(text)
}

// changed reports whether the box has something that the other has not.
func (b *box) changed() bool {
	out, err := exec.Command("find", filepath.Join(b.disk, "etc/tunic"), filepath.Join(b.disk, "var/lib/tunic"),
		"-cnewer", filepath.Join(b.disk, "var/lib/tunic-pair/synced"), "!", "-name", "lock", "-print", "-quit").Output()
	return err != nil || len(slices.DeleteFunc(out, func(c byte) bool { return c == '\n' })) > 0
}
