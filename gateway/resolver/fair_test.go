package resolver

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// One device that asks from two hundred addresses for names that nobody
// answers, and opens connections from them all, beside twenty ordinary devices:
// each question of theirs is answered, as fast as without it.
func TestGreedyDevice(t *testing.T) {
	release := make(chan struct{})
	dig := func(q dns.Question, req *dns.Msg) *dns.Msg {
		if strings.HasPrefix(q.Name, "slow") {
			<-release
			return torNames()(q, req)
		}
		m := torNames(q.Name+" 60 A 93.184.216.34")(q, req)
		time.Sleep(10 * time.Millisecond) // what Tor takes
		return m
	}
	quiet := newHome(t, testConfig, &upstream{strict: torStrict, dig: dig})
	h := newHome(t, testConfig, &upstream{strict: torStrict, dig: dig})
	defer close(release)
	for i := range 200 {
		from := net.IPv4(127, 0, 1, byte(i))
		for j := range 5 {
			floodUDP(t, h.addr, from, fmt.Sprintf("slow-%d-%d.example.com.", i, j))
		}
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: patience}
		if c, err := d.Dial("tcp", h.addr); err == nil {
			defer c.Close()
		}
	}
	eventually(t, "the flood has been read", func() bool { // before that the kernel may drop a question
		_, err := h.trySend("127.0.0.100", "udp", new(dns.Msg).SetQuestion("box.home.arpa.", dns.TypeA), time.Second)
		return err == nil
	})
	medians := ordinary(t, quiet, h)
	alone, beside := medians[0], medians[1]
	t.Logf("median of an ordinary device: %v alone, %v beside the greedy one", alone, beside)
	if beside > 2*alone+20*time.Millisecond {
		t.Errorf("an ordinary device waits %v, %v without the greedy one", beside, alone)
	}
}

func floodUDP(t *testing.T, to string, from net.IP, name string) {
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: from}}
	c, err := d.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	b, _ := m.Pack()
	c.Write(b)
}

// ordinary has twenty devices ask two questions each of each resolver, in turn, so that
// what else the machine does meets all. It returns the median for each resolver.
func ordinary(t *testing.T, homes ...*home) (medians []time.Duration) {
	t.Helper()
	took := make([][]time.Duration, len(homes))
	for i := range 40 {
		for k, h := range homes {
			start := time.Now()
			m := new(dns.Msg)
			m.SetQuestion(fmt.Sprintf("ordinary%d.example.com.", i), dns.TypeA)
			network := []string{"udp", "tcp"}[i/20]
			reply, err := h.trySend(fmt.Sprintf("127.0.0.%d", 2+i%20), network, m, patience)
			if err != nil || brief(reply) != "NOERROR 93.184.216.34" {
				t.Fatalf("ordinary device %d, %s: %v, %v", i%20, network, reply, err)
			}
			took[k] = append(took[k], time.Since(start))
		}
	}
	for _, list := range took {
		slices.Sort(list)
		medians = append(medians, list[len(list)/2])
	}
	return medians
}
