//go:build lab

package resolver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/onion"
	"tunic/internal/bench"
)

const (
	benchNames  = 100
	benchRounds = 5
)

// kinds are the questions that are measured, by the first word of their names.
var kinds = map[string]string{
	"cached": "cached%d.example.com", "nothing": "nothing%d.example.com", "house": "house%d." + strings.TrimSuffix(peerZone, "."),
}

// server is one that is measured.
type server struct {
	name string
	port int
	pid  int
}

// BenchmarkPeers asks the resolver, dnsmasq and unbound, in turns, for names that each
// of them knows already.
func BenchmarkPeers(b *testing.B) {
	if os.Getenv(serveUpstream) != "" {
		serveForBench(b)
		return
	}
	stub := listenOutside(b)
	servers := []server{startResolver(b, stub), startDnsmasq(b, stub), startUnbound(b, stub)}
	for _, kind := range []string{"cached", "nothing", "house"} {
		list := questions(b, kinds[kind])
		var rate, slow []bench.Way
		cpu := make(map[string][]float64)
		for _, s := range servers {
			rate = append(rate, bench.Way{Name: s.name, Once: func() float64 {
				before := bench.CPU(b, s.pid)
				perSecond, answered := dnsperf(b, s.port, list)
				cpu[s.name] = append(cpu[s.name], float64((bench.CPU(b, s.pid)-before).Nanoseconds())/1000/answered)
				return perSecond
			}})
			slow = append(slow, bench.Way{Name: s.name, Once: func() float64 { return slowest(b, s.port, kinds[kind]) }})
		}
		seen := bench.Turns(benchRounds, rate)
		bench.Report(b, bench.Compare("dns "+kind+": questions", "1/s", bench.More, 1, seen, "dnsmasq", "unbound"), seen)
		bench.Report(b, bench.Compare("dns "+kind+": processor", "us", bench.Less, 1, cpu, "dnsmasq", "unbound"), cpu)
		seen = bench.Turns(benchRounds, slow)
		bench.Report(b, bench.Compare("dns "+kind+": one at a time, p99", "us", bench.Less, 1/1.5, seen, "dnsmasq", "unbound"), seen)
	}
	b.ReportMetric(0, "ns/op")
}

// listenOutside is the server that has the names outside.
func listenOutside(b *testing.B) netip.AddrPort {
	b.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: udp, NotifyStartedFunc: func() { close(started) }}
	s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, req *dns.Msg) {
		q := req.Question[0]
		m := new(dns.Msg).SetReply(req)
		m.RecursionAvailable = true
		switch {
		case !strings.HasPrefix(q.Name, "cached"):
			m.Rcode = dns.RcodeNameError
			m.Ns = []dns.RR{rr("example.com. 3600 SOA ns.example.com. host.example.com. 1 3600 3600 3600 3600")}
		case q.Qtype == dns.TypeA:
			m.Answer = []dns.RR{rr(q.Name + " 3600 A 93.184.216.34")}
		}
		w.WriteMsg(m)
	})
	go s.ActivateAndServe()
	<-started
	b.Cleanup(func() { s.Shutdown() })
	return netip.MustParseAddrPort(udp.LocalAddr().String())
}

// serveUpstream is the variable by which the child knows its upstream, and that it is one.
const serveUpstream = "TUNIC_RESOLVER_UPSTREAM"

// startResolver runs this package's resolver in a process of its own.
func startResolver(b *testing.B, stub netip.AddrPort) server {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^$", "-test.bench", "^BenchmarkPeers$", "-test.benchtime", "1x")
	cmd.Env = append(os.Environ(), serveUpstream+"="+stub.String())
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, port, ok := strings.Cut(lines.Text(), "serving on "); ok {
			n, err := strconv.Atoi(port)
			if err != nil {
				b.Fatal(err)
			}
			return server{"tunic", n, cmd.Process.Pid}
		}
	}
	b.Fatal("the resolver did not start")
	return server{}
}

// serveForBench serves until its input ends.
func serveForBench(b *testing.B) {
	r := quietResolver(b)
	r.DialTor = func(ctx context.Context, _ netip.Addr) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", os.Getenv(serveUpstream))
	}
	c := testConfig.Clone()
	for i := range benchNames {
		c.Names = append(c.Names, Name{
			Label: fmt.Sprintf("house%d", i), Onion: onion.FromPublicKey(bytes.Repeat([]byte{byte(i)}, 32)),
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 192, 0, byte(i + 1)})},
		})
	}
	if err := r.Set(c); err != nil {
		b.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer bench.Profiled()()
	go func() { os.Stdin.Read(make([]byte, 1)); cancel() }()
	fmt.Printf("\nserving on %d\n", udp.LocalAddr().(*net.UDPAddr).Port)
	if err := r.Serve(ctx, udp, tcp); err != nil {
		b.Fatal(err)
	}
}

func startDnsmasq(b *testing.B, stub netip.AddrPort) server {
	b.Helper()
	port := freePort(b)
	args := []string{"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user=root",
		"--cache-size=10000", "--listen-address=127.0.0.1", "--bind-interfaces", "--neg-ttl=3600", fmt.Sprintf("--port=%d", port),
		fmt.Sprintf("--server=%s#%d", stub.Addr(), stub.Port())}
	for i := range benchNames {
		args = append(args, fmt.Sprintf("--host-record="+kinds["house"]+",10.192.0.%d", i, i+1))
	}
	return start(b, "dnsmasq", port, args...)
}

func startUnbound(b *testing.B, stub netip.AddrPort) server {
	b.Helper()
	port, dir := freePort(b), b.TempDir()
	text := fmt.Sprintf(`server:
	interface: 127.0.0.1
	port: %d
	num-threads: 2
	so-reuseport: yes
	do-not-query-localhost: no
	do-daemonize: no
	use-syslog: no
	chroot: ""
	username: ""
	directory: %s
	pidfile: ""
	module-config: "iterator"
	local-zone: "peer.home.arpa." static
`, port, dir)
	for i := range benchNames {
		text += fmt.Sprintf("\tlocal-data: \""+kinds["house"]+". A 10.192.0.%d\"\n", i, i+1)
	}
	text += fmt.Sprintf("forward-zone:\n\tname: \".\"\n\tforward-addr: %s@%d\n", stub.Addr(), stub.Port())
	text += "remote-control:\n\tcontrol-enable: no\n"
	path := filepath.Join(dir, "unbound.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return start(b, "unbound", port, "-d", "-c", path)
}

// start runs a server of others until the benchmark ends.
func start(b *testing.B, name string, port int, args ...string) server {
	b.Helper()
	cmd := exec.Command(name, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		b.Fatalf("starting %s: %v: run make bench-dns, which installs it", name, err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 100 {
		if _, err := exchangeOnce(port, "house1."+peerZone); err == nil {
			return server{name, port, cmd.Process.Pid}
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatalf("%s does not answer: %s", name, &said)
	return server{}
}

func exchangeOnce(port int, name string) (*dns.Msg, error) {
	c := dns.Client{Timeout: 200 * time.Millisecond}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA), fmt.Sprintf("127.0.0.1:%d", port))
	return m, err
}

func freePort(b *testing.B) int {
	b.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// questions writes the file of questions for dnsperf.
func questions(b *testing.B, form string) string {
	b.Helper()
	var text strings.Builder
	for i := range benchNames {
		fmt.Fprintf(&text, form+" A\n", i)
	}
	path := filepath.Join(b.TempDir(), "questions")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

var (
	perSecondLine = regexp.MustCompile(`Queries per second:\s+([0-9.]+)`)
	completedLine = regexp.MustCompile(`Queries completed:\s+([0-9]+)`)
)

// dnsperf returns how many questions a second are answered, four clients together having
// 24 under way, and how many were answered in all.
func dnsperf(b *testing.B, port int, list string) (perSecond, answered float64) {
	b.Helper()
	out, err := exec.Command("dnsperf", "-s", "127.0.0.1", "-p", strconv.Itoa(port), "-d", list,
		"-c", "4", "-q", "24", "-l", "2").CombinedOutput()
	if err != nil {
		b.Fatalf("dnsperf: %v\n%s", err, out)
	}
	number := func(line *regexp.Regexp) float64 {
		found := line.FindSubmatch(out)
		if found == nil {
			b.Fatalf("dnsperf said:\n%s", out)
		}
		n, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return number(perSecondLine), number(completedLine)
}

// slowest is the time that one in a hundred questions exceeds, in microseconds, when one is
// asked at a time.
func slowest(b *testing.B, port int, form string) float64 {
	b.Helper()
	const asked = 4000
	c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	answer := make([]byte, ednsSize)
	took := make([]time.Duration, 0, asked)
	for i := range asked {
		question, err := new(dns.Msg).SetQuestion(dns.Fqdn(fmt.Sprintf(form, i%benchNames)), dns.TypeA).Pack()
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if _, err = c.Write(question); err == nil {
			_, err = c.Read(answer)
		}
		if err != nil {
			b.Fatalf("question %d: %v", i, err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return float64(took[asked*99/100].Nanoseconds()) / 1000
}
