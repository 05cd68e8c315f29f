package socks

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"
)

// One device that takes all the places that it can, from two hundred addresses,
// while twenty others open and use streams: each of theirs is answered, none is
// cut, and nobody waits longer than twice as long as without the greedy one.
func TestGreedyDevice(t *testing.T) {
	quiet, p := newProxy(t, Options{DialTor: newFakeTor(t).dial}), newProxy(t, Options{DialTor: newFakeTor(t).dial})
	for i := range 1300 {
		p.connect(t, fmt.Sprintf("127.0.1.%d", 1+i%200))
	}
	for end := time.Now().Add(time.Minute); p.Stats().Conns+p.Stats().Refused < 1300; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", p.Stats())
		}
	}
	if s := p.Stats(); s.Active != defaultMaxPerDevice {
		t.Errorf("the greedy device has %d places", s.Active)
	}
	medians := ordinary(t, quiet, p)
	alone, beside := medians[0], medians[1]
	t.Logf("median of an ordinary device: %v alone, %v beside the greedy one", alone, beside)
	if beside > 2*alone+20*time.Millisecond {
		t.Errorf("an ordinary device waits %v, %v without the greedy one", beside, alone)
	}
}

// Where the bound for all is reached, the greediest makes room.
func TestGreedyDeviceMakesRoom(t *testing.T) {
	p := newProxy(t, Options{DialTor: newFakeTor(t).dial, MaxConns: 64, MaxPerDevice: 64})
	for i := range 64 {
		p.connect(t, fmt.Sprintf("127.0.1.%d", 1+i))
	}
	ordinary(t, p)
	if s := p.Stats(); s.Active > 64 {
		t.Errorf("%+v", s)
	}
}

// ordinary has twenty devices open two streams each at each proxy, in turn, so that what
// else the machine does meets all, and use them when all are open. It returns the median
// of how long opening took, for each proxy.
func ordinary(t *testing.T, proxies ...*proxy) (medians []time.Duration) {
	t.Helper()
	took := make([][]time.Duration, len(proxies))
	var all []io.ReadWriter
	for i := range 40 {
		for k, p := range proxies {
			start := time.Now()
			c := p.connect(t, fmt.Sprintf("127.0.0.%d", 2+i%20))
			if code := open(t, c, requestTo("example.com", 80)); code != 0 {
				t.Errorf("device %d: reply %d", i%20, code)
			}
			took[k], all = append(took[k], time.Since(start)), append(all, c)
		}
	}
	for i, c := range all {
		io.WriteString(c, "ping")
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Errorf("a stream of device %d was lost: %v", i/len(proxies)%20, err)
		}
	}
	for _, list := range took {
		slices.Sort(list)
		medians = append(medians, list[len(list)/2])
	}
	return medians
}
