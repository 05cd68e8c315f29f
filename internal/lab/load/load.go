// Package load is what people do all the time while something happens to their box:
// they download, open connections, ask for names and talk, each from the network
// namespace of a device of the lab.
//
// Use it in tests of what must not cut or delay anybody. It measures, and judges nothing.
package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/miekg/dns"

	"tunic/internal/lab/traffic"
)

// Waits is how somebody fared who did the same again and again.
type Waits struct {
	Times   int           // that it worked
	Slowest time.Duration // of those
	Failed  []error       // of the other times
}

// Again begins something each time that pause has passed, whether what it began before
// is done or not, until ctx ends, and waits for the last of it. The function is given
// how many times it was called before; it has to end by itself.
func Again(ctx context.Context, pause time.Duration, do func(i int) error) (all Waits) {
	var mu sync.Mutex
	var group sync.WaitGroup
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		group.Go(func() {
			begin := time.Now()
			err := do(i)
			took := time.Since(begin)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				all.Failed = append(all.Failed, fmt.Errorf("the time %d, after %v: %w", i, took.Round(time.Millisecond), err))
				return
			}
			all.Times, all.Slowest = all.Times+1, max(all.Slowest, took)
		})
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	group.Wait()
	return all
}

// Connect opens a connection and closes it.
func Connect(ctx context.Context, from traffic.Host, address string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Fetch opens a connection to a web server and waits for the first byte of an answer.
func Fetch(ctx context.Context, from traffic.Host, address, path string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}

// Question asks a resolver one question, over the network "udp" or "tcp".
func Question(ctx context.Context, from traffic.Host, network, resolver, name string, qtype uint16, limit time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := from.Dial(ctx, network, net.JoinHostPort(resolver, "53"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := dns.Client{Net: network, Timeout: limit}
	reply, _, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype), &dns.Conn{Conn: conn})
	return reply, err
}

// Ask asks for the IPv4 address of a name, and fails where there is not one.
func Ask(ctx context.Context, from traffic.Host, resolver, name string, limit time.Duration) (string, error) {
	reply, err := Question(ctx, from, "udp", resolver, name, dns.TypeA, limit)
	if err != nil {
		return "", err
	}
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String(), nil
		}
	}
	return "", fmt.Errorf("the resolver %s has no address for %s: %s", resolver, name, dns.RcodeToString[reply.Rcode])
}

// ToOnion connects a device without any setting, by the address that the resolver of
// its box has for the name.
func ToOnion(ctx context.Context, from traffic.Host, resolver, name string, port uint16) (net.Conn, error) {
	address, err := Ask(ctx, from, resolver, name, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return from.Dial(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(int(port))))
}

// talkLimit is how long somebody waits for a word to come back.
const talkLimit = 20 * time.Second

// Talk has a word come back from a server of TCP echo.
func Talk(conn net.Conn) error {
	const word = "hello\n"
	if err := conn.SetDeadline(time.Now().Add(talkLimit)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, word); err != nil {
		return err
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != word {
		return fmt.Errorf("the word came back as %q", got)
	}
	return nil
}

// Hold does the same again and again, one after the other, until ctx ends or it does
// not work, and returns how many times it did.
func Hold(ctx context.Context, pause time.Duration, do func() error) (times int, err error) {
	for ctx.Err() == nil {
		if err := do(); err != nil {
			return times, err
		}
		times++
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return times, nil
}
