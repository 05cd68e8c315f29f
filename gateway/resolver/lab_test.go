//go:build lab

package resolver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"tunic/internal/lab/lonetor"
)

// inNamespace runs the calling test again in a network namespace of its own,
// which has nothing but loopback, and reports whether this is that run.
func inNamespace(t *testing.T, prepare ...string) bool {
	t.Helper()
	const mark = "TUNIC_RESOLVER_NAMESPACE"
	if os.Getenv(mark) != "" {
		return true
	}
	if os.Getuid() != 0 {
		t.Fatal("this test makes network namespaces: run it as root")
	}
	ns := fmt.Sprintf("tunic-rs-%d", os.Getpid())
	sh(t, "ip netns add "+ns)
	t.Cleanup(func() { sh(t, "ip netns del "+ns) })
	sh(t, "ip -n "+ns+" link set lo up")
	for _, line := range prepare {
		sh(t, strings.ReplaceAll(line, "NS", ns))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", ns, os.Args[0], "-test.v", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), mark+"="+ns)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("in the namespace: %v", err)
	}
	return false
}

func sh(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// A wildcard socket bound to one interface, as the daemon opens it: devices
// reach it at each of the box's addresses, and behind the redirection of port
// 53 at any address that they type, and get the answer from there.
func TestRealClientsOnAnInterface(t *testing.T) {
	if !inNamespace(t,
		"ip netns add NS-c", "ip -n NS link add lan type veth peer name eth0 netns NS-c",
		"ip -n NS link set lan up; ip -n NS-c link set lo up; ip -n NS-c link set eth0 up",
		"for a in 192.168.77.1/24 192.168.77.2/24; do ip -n NS addr add $a dev lan; done",
		"for a in fd77::1/64 fd77::2/64; do ip -n NS addr add $a dev lan nodad; done",
		"ip -n NS-c addr add 192.168.77.10/24 dev eth0; ip -n NS-c addr add fd77::10/64 dev eth0 nodad",
		"ip -n NS-c route add default via 192.168.77.1; ip -n NS-c -6 route add default via fd77::1",
		"ip -n NS addr add fe80::77/64 dev lan nodad; ip -n NS-c addr add fe80::78/64 dev eth0 nodad",
		`for f in iptables ip6tables; do for p in udp tcp; do
			ip netns exec NS $f -t nat -A PREROUTING -i lan -p $p --dport 53 -j REDIRECT --to-ports 9353; done; done`,
	) {
		sh(t, fmt.Sprintf("ip netns del tunic-rs-%d-c", os.Getpid()))
		return
	}
	ns := os.Getenv("TUNIC_RESOLVER_NAMESPACE")
	c := Config{Box: []netip.Prefix{netip.MustParsePrefix("192.168.77.1/24"), netip.MustParsePrefix("fd77::1/64")}}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), "lan") })
		return err
	}}
	udp, err := lc.ListenPacket(t.Context(), "udp", "[::]:9353")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := lc.Listen(t.Context(), "tcp", "[::]:9353")
	if err != nil {
		t.Fatal(err)
	}
	r := newHome(t, c, nil).Resolver
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, udp, tcp) }()
	for _, server := range []string{
		"192.168.77.1", "192.168.77.2", "fd77::1", "fd77::2", "fe80::77%eth0", // the box
		"8.8.8.8", "2001:4860:4860::8888", // a resolver that the device insists on
	} {
		for _, flags := range []string{"-p 9353", "", "+tcp"} {
			if flags == "-p 9353" && strings.Contains(server, "8888") || flags == "-p 9353" && server == "8.8.8.8" {
				continue // nothing redirects that
			}
			out := sh(t, fmt.Sprintf("ip netns exec %s-c dig +short +tries=1 +time=2 %s @%s box.home.arpa AAAA", ns, flags, server))
			if strings.TrimSpace(out) != "fd77::1" {
				t.Errorf("dig %s @%s: %q", flags, server, out)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Real tor sees each device at an address of its own, and isolates by it.
func TestTorIsolatesDevices(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	tor := lonetor.Start(t, "SocksPort 0", "DNSPort 127.0.0.1:9253", "AutomapHostsOnResolve 1",
		"VirtualAddrNetworkIPv4 "+testConfig.Virtual4.String(),
		fmt.Sprintf("VirtualAddrNetworkIPv6 [%v]/%d", testConfig.Virtual6.Addr(), testConfig.Virtual6.Bits()))
	secret := [16]byte{7}
	r, err := New(Options{
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		DialTor: func(ctx context.Context, device netip.Addr) (net.Conn, error) {
			d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(LoopbackFor(device, secret), 0))}
			return d.DialContext(ctx, "udp", "127.0.0.1:9253")
		},
		DialForward: func(context.Context, string, netip.AddrPort) (net.Conn, error) { return nil, errFake },
	}, testConfig)
	if err != nil {
		t.Fatal(err)
	}
	r.timeout = time.Second // tor has no network and answers public names with nothing
	h := handler{Resolver: r, ctx: t.Context()}
	for i, device := range []netip.Addr{netip.MustParseAddr("192.168.77.10"), netip.MustParseAddr("fd77::10")} {
		m := new(dns.Msg)
		m.SetQuestion(fmt.Sprintf("device%d.example.com.", i), dns.TypeA)
		go func() { // tor may hear the first question before it has heard that we want events
			for range 8 {
				h.reply(device, m.Copy())
			}
		}()
		line := tor.Stream(t, fmt.Sprintf("device%d.example.com", i))
		if want := "SOURCE_ADDR=" + LoopbackFor(device, secret).String() + ":"; !strings.Contains(line, want) {
			t.Errorf("%v: %q has no %s", device, line, want)
		}
		if _, iso, _ := strings.Cut(line, "ISO_FIELDS="); !strings.Contains(strings.Fields(iso + " ")[0], "CLIENTADDR") {
			t.Errorf("%v: tor does not isolate by the client's address: %q", device, line)
		}
	}
	for qtype, in := range map[uint16]netip.Prefix{dns.TypeA: testConfig.Virtual4, dns.TypeAAAA: testConfig.Virtual6} {
		m := new(dns.Msg)
		m.SetQuestion(testOnion+".", qtype)
		reply := h.reply(netip.MustParseAddr("192.168.77.10"), m)
		if len(reply.Answer) != 1 {
			t.Fatalf("the onion: %s", brief(reply))
		}
		if a, ok := addrOf(reply.Answer[0]); !ok || !in.Contains(a) || reply.Answer[0].Header().Ttl > 60 {
			t.Errorf("the onion: %v", reply.Answer[0])
		}
	}
}
