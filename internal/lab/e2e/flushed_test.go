//go:build lab

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"tunic/internal/lab/house"
	"tunic/internal/lab/traffic"
)

// What a crowd of devices sends while rules are flushed.
const (
	crowdDevices = 10
	crowdRound   = 20 * time.Millisecond // between two rounds
	crowdFlushes = 20                    // at least, meanwhile
)

// ofCrowd are the sources of the crowd, as a BPF expression.
const ofCrowd = "(src net 192.168.77.200/29 or src net 192.168.77.208/31 or src net 2001:db8:77::c0/122)"

// crowd are ten devices that send UDP, DNS, TCP and pings to the internet in
// both families, fifty times a second, whatever they hear.
func crowd(lasts time.Duration) []class {
	var packets []traffic.IP
	for i := range crowdDevices {
		for from, to := range map[string]string{fmt.Sprintf("192.168.77.%d", 200+i): web4, fmt.Sprintf("2001:db8:77::%x", 200+i): web6} {
			packets = append(packets, slices.Concat(datagrams(from, to, 443, 53), segments(from, to, 443, traffic.SYN),
				[]traffic.IP{ping(from, to)})...)
		}
	}
	frames := raw(packets)
	send := func(w *world) error {
		for end := time.Now().Add(lasts); time.Now().Before(end); time.Sleep(crowdRound) {
			if err := w.phone.On("eth0").Send(frames...); err != nil {
				return err
			}
		}
		return nil
	}
	return []class{{id: "L26", what: "a crowd of devices", from: household, send: send, sent: ofCrowd, count: 50 * len(packets)}}
}

// fromDevices are the classes that the second wall is for: what devices send
// to the internet. The box's own packets and answers have only the first.
func fromDevices(c class) bool {
	return c.from == household && !slices.Contains(c.layers, layerAnswer) && !slices.Contains(c.layers, layerSource)
}

// crowded gives the phone the crowd's addresses, so that what is for them finds
// somebody, and returns what takes them away.
func (w *world) crowded() func() {
	change := func(what, more string) {
		for i := range crowdDevices {
			for _, a := range []string{fmt.Sprintf("192.168.77.%d/32", 200+i), fmt.Sprintf("2001:db8:77::%x/128", 200+i) + more} {
				w.must("phone", append([]string{"ip", "addr", what, "dev", "eth0"}, strings.Fields(a)...)...)
			}
		}
	}
	change("add", " nodad")
	return func() { change("del", "") }
}

// byBox matches a packet on the uplink that has the box's own address as its
// source. Its own packets have no second wall, only netfilter.
var byBox = regexp.MustCompile(`: (` + regexp.QuoteMeta(wan4) + `|` + regexp.QuoteMeta(wan6) + `)(\.\d+)? > `)

// flushAll empties all tables, in one of the ways in which programs do.
func (w *world) flushAll(byNFT bool) error {
	if byNFT {
		r, err := w.lab.Exec(w.ctx, "gateway", "nft", "flush", "ruleset")
		return errors.Join(err, failed(r.Code, r.Stderr))
	}
	for _, tool := range house.Tools {
		for _, table := range []string{"filter", "nat", "mangle"} {
			r, err := w.lab.Exec(w.ctx, "gateway", tool, "-w", "-t", table, "-F")
			if err = errors.Join(err, failed(r.Code, r.Stderr)); err != nil {
				return err
			}
		}
	}
	return nil
}

func failed(code int, words string) error {
	if code == 0 {
		return nil
	}
	return errors.New(words)
}

// whileStorming has another program flush all rules again and again, as soon
// as they are back.
func whileStorming(w *world, send func()) {
	defer w.crowded()()
	before := w.saveRules().ours()
	times := 0
	w.meanwhile(func() error {
		times++
		err := w.flushAll(times%2 == 0)
		time.Sleep(250 * time.Millisecond) // time for a repair, and for packets before it
		return err
	}, send)
	if times < crowdFlushes {
		w.Errorf("only %d flushes", times)
	}
	defer func() {
		if after := w.saveRules().ours(); after != before {
			w.Logf("the rules before and after:\n%s\n\n%s", before, after)
		}
	}()
	w.eventually("the rules are back", 30*time.Second, func() bool { return w.saveRules().ours() == before })
}

// ours is the text of tunic's rules alone: a flush takes other tables too. Which
// devices are full changes by itself: an earlier part's crowd may be.
func (r ruleset) ours() string {
	lines := slices.DeleteFunc(strings.Split(r.canonical(), "\n"), func(line string) bool {
		return !strings.Contains(line, "TUNIC-") || strings.Contains(line, "-A TUNIC-FULL -m mac")
	})
	return strings.Join(lines, "\n")
}

// whileGone ends the daemon, flushes all rules, and has nobody repair them.
func whileGone(w *world, send func()) {
	defer w.crowded()()
	w.stop(syscall.SIGTERM)
	if err := w.flushAll(true); err != nil {
		w.Fatal(err)
	}
	send()
	w.start()
}

// raze takes the second wall away; the daemon, if it is awake, puts it back.
func (w *world) raze() {
	w.Helper()
	for _, family := range []string{"-4", "-6"} {
		w.must("gateway", "ip", family, "rule", "flush", "protocol", "116")
	}
}

// testWall shows that the crowd leaves when the rules are flushed, nobody
// repairs them, and there is no second wall.
func testWall(w *world) {
	w.one(syscall.SIGSTOP, "tunic", "run")
	defer func() {
		w.signal(syscall.SIGCONT, "tunic", "run")
		w.must("gateway", "tunic", "reload")
		w.ready()
		w.arrives()
	}()
	if err := w.flushAll(true); err != nil {
		w.Fatal(err)
	}
	packet := func() int {
		since := w.wan.MustMark(w)
		frames := raw(append(datagrams("192.168.77.200", web4, 443), datagrams("2001:db8:77::c8", web6, 443)...))
		if err := w.phone.On("eth0").Send(frames...); err != nil {
			w.Fatal(err)
		}
		w.pause(settle)
		return len(w.wan.MustLines(w, since, ofCrowd))
	}
	if n := packet(); n != 0 {
		w.Errorf("%d packets left with the wall", n)
	}
	w.raze()
	if n := packet(); n != 2 {
		w.Errorf("%d packets of 2 left without the wall: this test proves nothing", n)
	}
}
