//go:build lab

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tunic/internal/lab"
	"tunic/internal/lab/load"
)

// streamsVariable is set by `make streams-long`; without it streams are watched for
// streamsShort, which is more than twice the time that a silent onion gets.
const (
	streamsVariable = "TUNIC_STREAMS_LONG"
	streamsShort    = 45 * time.Second
)

// A stream that nobody answers ends after answerPatience (decision 38); tor alone
// lets it wait for two minutes.
const (
	silentFrom = 15 * time.Second
	silentTo   = 45 * time.Second
)

// streamsLive: a connection of a device to an onion lives as long as its ends, idle
// or busy, by each name and each way in, while others of the same device come and go.
// meanwhile runs with them.
func streamsLive(w *world, meanwhile func(*world)) {
	pictures := strings.TrimSuffix(w.must("gateway", "tunic", "address", "pictures"), ".onion")
	idle, busy, load := streamsShort, streamsShort, streamsShort
	if os.Getenv(streamsVariable) != "" {
		idle, busy, load = 2*time.Minute, 2*time.Minute, 10*time.Minute
	}
	var group errgroup.Group
	var open []net.Conn
	start := func(name, what string, conn net.Conn, lives func(net.Conn, time.Duration) error, d time.Duration) {
		open = append(open, conn)
		group.Go(func() error {
			begin := time.Now()
			if err := lives(conn, d); err != nil {
				return fmt.Errorf("%s, %s: after %v of %v: %w", name, what, time.Since(begin), d, err)
			}
			return nil
		})
	}
	for _, name := range []string{"pictures.alice.peer.home.arpa", pictures + ".peer.home.arpa", pictures + ".onion"} {
		start(name, "idle", w.toOnion(name, lab.NASEchoPort), idles, idle)
		start(name, "an echo a second", w.toOnion(name, lab.NASEchoPort), keepsEchoing, busy)
		start(name, "a download", w.toOnion(name, 80), loads, load)
		start(name, "idle by SOCKS", w.toOnionBySOCKS(name, lab.NASEchoPort), idles, idle)
	}
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	over := make(chan struct{})
	go func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(3 * time.Second):
				_, _ = w.lab.Exec(w.ctx, "friend-laptop", "curl", "-s", "-m", "5", "http://"+pictures+".onion/")
			}
		}
	}()
	meanwhile(w)
	err := group.Wait()
	close(over)
	if err != nil {
		w.Error(err)
	}
}

// toOnion connects the friend's laptop without any setting, by the address that the
// name has for it.
func (w *world) toOnion(name string, port uint16) net.Conn {
	w.Helper()
	conn, err := load.ToOnion(w.ctx, w.friendLaptop(), friendBox, name, port)
	if err != nil {
		w.Fatal(err)
	}
	return conn
}

func (w *world) toOnionBySOCKS(name string, port uint16) net.Conn {
	w.Helper()
	conn, err := w.friendLaptop().Dial(w.ctx, "tcp", net.JoinHostPort(friendBox, "9050"))
	if err != nil {
		w.Fatal(err)
	}
	if !socksTo(conn, name, port) {
		w.Fatalf("%s: not by SOCKS", name)
	}
	return conn
}

// idles: nothing is said for that long, and then there is an echo.
func idles(conn net.Conn, d time.Duration) error {
	if err := echoes(conn); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%d bytes, %w", n, err)
	}
	return echoes(conn)
}

func keepsEchoing(conn net.Conn, d time.Duration) error {
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(time.Second) {
		if err := echoes(conn); err != nil {
			return err
		}
	}
	return nil
}

// loads downloads at 200 kB a second.
func loads(conn net.Conn, d time.Duration) error {
	if _, err := io.WriteString(conn, "GET /blob?bytes=1000000000 HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	piece := make([]byte, 50_000)
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(250 * time.Millisecond) {
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, piece); err != nil {
			return err
		}
	}
	return nil
}

// silentOnion: the friend's tor falls silent, and says nothing of it, as when power
// is lost. What is asked then is ended long before tor would, and works again
// when the box is back.
func silentOnion(w *world) {
	const name = "pictures.alice.peer.home.arpa"
	before := w.toOnion(name, lab.NASEchoPort)
	err := echoes(before) // now there is a circuit
	before.Close()
	if err != nil {
		w.Fatal(err)
	}
	w.pause(2 * time.Second) // until the circuit has moved its last cell
	w.one(syscall.SIGSTOP, "tor")
	defer w.signal(syscall.SIGCONT, "tor") // a second one is harmless
	asked := w.toOnion(name, lab.NASEchoPort)
	defer asked.Close()
	begin := time.Now()
	_ = asked.SetReadDeadline(begin.Add(2 * silentTo)) // a connection has one
	_, err = asked.Read(make([]byte, 1))
	took := time.Since(begin)
	w.timed("a stream to a silent onion ends", took)
	if errors.Is(err, os.ErrDeadlineExceeded) || took < silentFrom || took > silentTo {
		w.Errorf("it ended after %v: %v", took, err)
	}
	w.one(syscall.SIGCONT, "tor")
	w.timed("the silent box is back, to a page of it", w.fetched("friend-laptop", "This is the nas.", onionLimit, "http://"+name+"/"))
}
