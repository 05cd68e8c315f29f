//go:build lab

package e2e

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// testNames asks the household's resolver, over both protocols and by several
// addresses.
func testNames(w *world) {
	home, other := w.must("gateway", "tunic", "address", "home"), w.must("friend", "tunic", "address", "home")
	v := w.ranges()
	for _, c := range []struct {
		name  string
		qtype uint16
		rcode int
		want  []string // the answer; a prefix means an address in it
	}{
		{"web.example", dns.TypeA, dns.RcodeSuccess, []string{web4}},
		{"web.example", dns.TypeAAAA, dns.RcodeSuccess, []string{web6}},
		{"v4.example", dns.TypeAAAA, dns.RcodeSuccess, nil},
		{"v6.example", dns.TypeA, dns.RcodeSuccess, nil},
		{"v6.example", dns.TypeAAAA, dns.RcodeSuccess, []string{web6}},
		{"nothing.example", dns.TypeA, dns.RcodeNameError, nil},
		{"80.113.0.203.in-addr.arpa", dns.TypePTR, dns.RcodeSuccess, []string{"*."}}, // it has several names, and an exit tells one
		{"rebind.example", dns.TypeA, dns.RcodeSuccess, nil},                         // L42
		{"rebind.example", dns.TypeAAAA, dns.RcodeSuccess, nil},                      // L42
		{other, dns.TypeA, dns.RcodeSuccess, []string{v.Virtual4.String()}},
		{other, dns.TypeAAAA, dns.RcodeSuccess, []string{v.Virtual6.String()}},
		{global(other), dns.TypeA, dns.RcodeSuccess, []string{v.Virtual4.String()}},
		{global(other), dns.TypeAAAA, dns.RcodeSuccess, []string{v.Virtual6.String()}},
		{global(other), dns.TypeMX, dns.RcodeSuccess, nil},
		{home, dns.TypeA, dns.RcodeSuccess, []string{box4}},
		{global(home), dns.TypeA, dns.RcodeSuccess, []string{box4}},
		{global(misspelt(other)), dns.TypeA, dns.RcodeNameError, nil},
		{"foo.onion", dns.TypeA, dns.RcodeNameError, nil},
		{"use-application-dns.net", dns.TypeA, dns.RcodeNameError, nil},
		{"mask.icloud.com", dns.TypeA, dns.RcodeNameError, nil},
		{"printer.local", dns.TypeA, dns.RcodeNameError, nil},
		{"web.example", dns.TypeMX, dns.RcodeSuccess, nil},
		{"web.example", dns.TypeHTTPS, dns.RcodeSuccess, nil},
		{"box.home.arpa", dns.TypeA, dns.RcodeSuccess, []string{box4}},
	} {
		for _, by := range []string{"udp " + box4, "tcp " + box4, "udp " + box6, "udp " + public4, "tcp " + public6} {
			network, resolver, _ := strings.Cut(by, " ")
			reply, err := w.question(w.phone, network, resolver, c.name, c.qtype, 10*time.Second)
			if err != nil {
				w.Errorf("%s: %s %s: %v", by, c.name, dns.TypeToString[c.qtype], err)
				continue
			}
			if got := answers(reply); reply.Rcode != c.rcode || !slices.EqualFunc(got, c.want, fits) {
				w.Errorf("%s: %s %s: %s %q, want %s %q", by, c.name, dns.TypeToString[c.qtype],
					dns.RcodeToString[reply.Rcode], got, dns.RcodeToString[c.rcode], c.want)
			}
		}
	}
}

// misspelt is an address whose first letter is another one.
func misspelt(onion string) string {
	if onion[0] == 'x' {
		return "y" + onion[1:]
	}
	return "x" + onion[1:]
}

// global is the name that an onion has in every house.
func global(onion string) string { return strings.TrimSuffix(onion, ".onion") + ".peer.home.arpa" }

func answers(m *dns.Msg) []string {
	var found []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			found = append(found, rr.A.String())
		case *dns.AAAA:
			found = append(found, rr.AAAA.String())
		case *dns.PTR:
			found = append(found, rr.Ptr)
		default:
			found = append(found, rr.String())
		}
	}
	return found
}

// fits compares an answer with what is wanted: "*." is any name,
// a prefix any address in it.
func fits(got, want string) bool {
	if suffix, ok := strings.CutPrefix(want, "*"); ok {
		return strings.HasSuffix(got, suffix)
	}
	if prefix, err := netip.ParsePrefix(want); err == nil {
		a, err := netip.ParseAddr(got)
		return err == nil && prefix.Contains(a)
	}
	return got == want
}
