package resolver

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestMailNames(t *testing.T) {
	domain := strings.Repeat("a", 56) + ".peer.home.arpa"
	c := Config{Mail: &Mail{Domain: domain, Setup: netip.MustParseAddr("10.192.0.1"),
		Services: []Service{{"_imaps._tcp", 993}, {"_submission._tcp", 587}, {"_pop3._tcp", 0}}}}
	with, err := newState(Options{}, c)
	if err != nil {
		t.Fatal(err)
	}
	without, err := newState(Options{}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		qtype uint16
		rcode int
		want  string
	}{
		{"_imaps._tcp." + domain, dns.TypeSRV, dns.RcodeSuccess, "SRV\t0 1 993 box.home.arpa."},
		{"_IMAPS._tcp." + domain, dns.TypeSRV, dns.RcodeSuccess, "SRV\t0 1 993 box.home.arpa."},
		{"_submission._tcp." + domain, dns.TypeSRV, dns.RcodeSuccess, "SRV\t0 1 587 box.home.arpa."},
		{"_pop3._tcp." + domain, dns.TypeSRV, dns.RcodeSuccess, "SRV\t0 0 0 ."},
		{"_imaps._tcp." + domain, dns.TypeA, dns.RcodeSuccess, ""},
		{"autoconfig." + domain, dns.TypeA, dns.RcodeSuccess, "A\t10.192.0.1"},
		{"autoconfig." + domain, dns.TypeAAAA, dns.RcodeSuccess, ""},
		{"setup.box.home.arpa", dns.TypeA, dns.RcodeSuccess, "A\t10.192.0.1"},
		{"autoconfig.thunderbird.net", dns.TypeA, dns.RcodeNameError, ""},
		{"live.thunderbird.net", dns.TypeAAAA, dns.RcodeNameError, ""},
	} {
		q := dns.Question{Name: c.name + ".", Qtype: c.qtype, Qclass: dns.ClassINET}
		got := with.route(netip.Addr{}, q)
		text := ""
		for _, rr := range got.rrs {
			text += strings.TrimPrefix(rr.String(), rr.Header().Name+"\t60\tIN\t")
		}
		if got.to != toNobody || got.rcode != c.rcode || text != c.want {
			t.Errorf("%s %s: %d, %s, %q; want %s, %q", c.name, dns.TypeToString[c.qtype], got.to, dns.RcodeToString[got.rcode], text,
				dns.RcodeToString[c.rcode], c.want)
		}
		if got := without.route(netip.Addr{}, q); len(got.rrs) > 0 || strings.HasSuffix(c.name, "thunderbird.net") && got.to != toTor {
			t.Errorf("%s without mail: %+v", c.name, got)
		}
	}
	other := c.Clone()
	other.Mail.Services[0].Port = 143
	if c.Equal(other) || !c.Equal(c.Clone()) || c.Mail.Services[0].Port != 993 || c.Equal(Config{}) || (Config{}).Equal(c) {
		t.Error("Clone and Equal do not know Mail")
	}
}
