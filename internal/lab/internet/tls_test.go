package internet

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestDNSOverTLS(t *testing.T) {
	cert, err := NewCertificate([]netip.Addr{netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	if !trust.AppendCertsFromPEM(cert.PEM) {
		t.Fatalf("the PEM is none: %s", cert.PEM)
	}
	var log bytes.Buffer
	d := NewDNS(testNames, &log)
	ln := listen(t)
	serve(t, func(ctx context.Context) error { return d.ServeTLS(ctx, ln, cert) })
	for name, c := range map[string]struct {
		config *tls.Config
		ok     bool
	}{
		"trusted":     {&tls.Config{RootCAs: trust, ServerName: "127.0.0.1"}, true},
		"not trusted": {&tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}, false},
		"for another": {&tls.Config{RootCAs: trust, ServerName: "127.0.0.2"}, false},
	} {
		client := dns.Client{Net: "tcp-tls", Timeout: 5 * time.Second, TLSConfig: c.config}
		reply, _, err := client.Exchange(new(dns.Msg).SetQuestion("web.example.", dns.TypeMX), ln.Addr().String())
		if (err == nil) != c.ok || c.ok && (len(reply.Answer) != 1 || !strings.Contains(reply.Answer[0].String(), "10 web.example.")) {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
	}
	if got := strings.Count(log.String(), "\n"); got != 1 {
		t.Errorf("%d questions are on record, want 1", got)
	}
}
