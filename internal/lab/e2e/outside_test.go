//go:build lab

package e2e

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"tunic/gateway/config"
	"tunic/gateway/health"
	"tunic/gateway/ntp"
	"tunic/internal/lab/house"
)

const (
	resolverLine = "\n[dns]\nresolver = \"tls://203.0.113.53\"\n"
	// deafLine names a host that serves no DNS over TLS.
	deafLine   = "\n[dns]\nresolver = \"tls://" + web4 + "\"\n"
	bypassLine = "\n[[bypass]]\ndomains = [\"bank.example\"]\ndevices = [\"phone\"]\n"
)

// grantLife is how long the phone is let through after it asked: what the
// lab's DNS server says, and a minute of grace.
const grantLife = 90 * time.Second

// testOutside: a bypass for the phone, all types of records over TLS, and the
// time, in one household. The grant lasts a minute and a half, also when tor ends
// and starts again; meanwhile others run.
func testOutside(w *world) {
	before, err := os.ReadFile(w.paths().Main())
	if err != nil {
		w.Fatal(err)
	}
	n, err := w.lab.Plan().Node("phone")
	if err != nil {
		w.Fatal(err)
	}
	w.write(w.device("phone"), deviceText(n.Uplink.MAC, config.PolicyTor))
	configure := func(lines string) {
		w.write(w.paths().Main(), string(before)+lines)
		w.must("gateway", "tunic", "reload")
	}
	defer func() {
		configure("")
		w.noPolicy("phone")
		w.ready()
	}()
	configure(resolverLine + bypassLine)
	w.ready()
	granted := w.bypassed()
	w.allTypes()
	w.tellsTime()
	for _, part := range whileOutside() {
		w.part(part)
	}
	w.bypassEnds(granted)
	configure(deafLine)
	w.failsClosed()
}

// bypassed returns when the phone asked last for the name.
func (w *world) bypassed() time.Time {
	w.Helper()
	listed := func(s string) bool { return strings.HasPrefix(s, "bank.example, for phone (bypass)") }
	if got := w.status().Leaks; !slices.ContainsFunc(got, listed) {
		w.Errorf("status does not list the bypass: %q", got)
	}
	if from, ok := w.curl("phone", 20, "http://"+web4+"/ip"); !ok || !house.IsExit(from) {
		w.Errorf("before it asked for the name the phone arrived from %q, which is no exit", from)
	}
	asked := time.Now()
	if from, ok := w.curl("phone", 20, "-4", "http://bank.example/ip"); !ok || from != wan4 {
		w.Errorf("the phone arrived from %q, want the household's %s", from, wan4)
	}
	w.timed("name and page of a bypass", time.Since(asked))
	if from, ok := w.curl("phone", 20, "http://["+web6+"]/ip"); !ok || !house.IsExit(from) {
		w.Errorf("at an address that it did not ask for the phone arrived from %q, which is no exit", from)
	}
	for _, node := range []string{"laptop", "gateway"} {
		if from, ok := w.curl(node, 20, "-4", "http://bank.example/ip"); !ok || !house.IsExit(from) {
			w.Errorf("the %s arrived from %q, which is no exit", node, from)
		}
	}
	if from, ok := w.curl("phone", 20, "-6", "http://bank.example/ip"); !ok || from != phone6 {
		w.Errorf("over IPv6 the phone arrived from %q, want its own %s", from, phone6)
	}
	return asked
}

// bypassEnds: without another question the way closes by itself.
func (w *world) bypassEnds(asked time.Time) {
	w.Helper()
	if from, ok := w.curl("phone", 5, "http://"+web4+"/ip"); time.Since(asked) < grantLife-10*time.Second && (!ok || from != wan4) {
		w.Errorf("%v after its question the phone arrived from %q", time.Since(asked), from)
	}
	w.eventually("the way of the bypass is closed", grantLife+20*time.Second, func() bool {
		w.pause(time.Second)
		from, ok := w.curl("phone", 5, "http://"+web4+"/ip")
		return ok && house.IsExit(from)
	})
	w.timed("the question to the end of the bypass", time.Since(asked))
	if life := time.Since(asked); life < grantLife-2*time.Second {
		w.Errorf("the way was closed after %v, the answer holds %v", life, grantLife)
	}
}

// allTypes asks for what tor's DNSPort cannot carry.
func (w *world) allTypes() {
	w.Helper()
	seen := len(w.queries())
	for qtype, want := range map[uint16]string{
		dns.TypeMX: "10 v4.example.", dns.TypeTXT: `"the lab's v4.example"`, dns.TypeA: web4, dns.TypeAAAA: "",
	} {
		reply, err := w.question(w.phone, "udp", box4, "v4.example", qtype, 10*time.Second)
		if err != nil {
			w.Errorf("%s: %v", dns.TypeToString[qtype], err)
			continue
		}
		got := strings.Join(answers(reply), " ")
		if reply.Rcode != dns.RcodeSuccess || !strings.HasSuffix(got, want) || (got == "") != (want == "") {
			w.Errorf("%s: %s %q, want %q", dns.TypeToString[qtype], dns.RcodeToString[reply.Rcode], got, want)
		}
	}
	asked := w.queries()[seen:]
	if len(asked) < 4 {
		w.Errorf("the server got %d questions: they went elsewhere", len(asked))
	}
	for _, q := range asked {
		if q.Net != "tcp" || !house.IsExit(q.Client.Addr().Unmap().String()) {
			w.Errorf("%s asked over %s, want an exit over tcp", q.Client, q.Net)
		}
	}
}

// failsClosed: a server that does not answer is SERVFAIL, and nobody else is
// asked.
func (w *world) failsClosed() {
	w.Helper()
	seen := len(w.queries())
	reply, err := w.question(w.phone, "udp", box4, "www.example", dns.TypeA, 10*time.Second)
	if err != nil || reply.Rcode != dns.RcodeServerFailure {
		w.Errorf("with a server that is none: %v, %v", reply, err)
	}
	for _, q := range w.queries()[seen:] {
		if q.Name == "www.example." {
			w.Errorf("the question went elsewhere: %+v", q)
		}
	}
}

// tellsTime: a server that the phone has built in is the box, and nothing leaves.
func (w *world) tellsTime() {
	w.Helper()
	mark := w.wan.MustMark(w)
	clock, err := ntp.KernelClock()
	if err != nil {
		w.Fatal(err)
	}
	for _, server := range []string{isp4, "[" + isp6 + "]", public4, "[" + public6 + "]", box4, "[" + box6 + "]"} {
		got := w.askTime(server + ":123")
		if len(got) != 48 || got[0]&7 != 4 || string(got[24:32]) != "a stamp." {
			w.Errorf("%s answers % x", server, got)
			continue
		}
		if trusted := got[0]>>6 != 3; trusted != clock.Trusted {
			w.Errorf("%s: the answer is to be trusted: %v, the kernel's clock: %v", server, trusted, clock.Trusted)
		}
	}
	w.pause(settle)
	if lines := w.wan.MustLines(w, mark, "udp port 123"); len(lines) > 0 {
		w.Errorf("%d packets left, the first: %s", len(lines), lines[0])
	}
	untrusted := slices.ContainsFunc(w.status().Findings, func(f health.Finding) bool { return f.Code == health.ClockUntrusted })
	if untrusted == clock.Trusted {
		w.Errorf("the clock is trusted: %v, the finding says otherwise", clock.Trusted)
	}
}

// askTime sends a client's packet (RFC 5905, section 7.3) over a socket that
// takes an answer only from where it asked.
func (w *world) askTime(address string) []byte {
	w.Helper()
	conn, err := w.phone.Dial(w.ctx, "udp", address)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	packet := make([]byte, 48)
	packet[0] = 4<<3 | 3
	copy(packet[40:], "a stamp.")
	if _, err := conn.Write(packet); err != nil {
		w.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.Fatal(err)
	}
	got := make([]byte, 512)
	size, err := conn.Read(got)
	if err != nil {
		w.Errorf("%s: %v", address, err)
	}
	return got[:size]
}
