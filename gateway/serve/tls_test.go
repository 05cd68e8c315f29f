package serve

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"tunic/gateway/ca"
	"tunic/gateway/link"
	"tunic/internal/sockets"
)

// A new certificate is for new connections; those that are open go on.
func TestCertificateIsRenewed(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ca.Load(filepath.Join(t.TempDir(), "ca"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(authority.Certificate()))
	ln, err := tls.Listen("tcp", "127.0.0.1:0", s.tlsConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go sockets.Answer(ln, sockets.Echo)
	dial := func() (*tls.Conn, error) {
		return tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "box.home.arpa"})
	}
	if _, err := dial(); err == nil {
		t.Fatal("there is a certificate before there is one")
	}
	use := func(name string) string {
		t.Helper()
		leaf, err := authority.Leaf(name, []string{"box.home.arpa"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if failed := s.apply(t.Context(), link.Desired{TLS: &link.TLS{Cert: leaf.Cert, Key: leaf.Key}}); len(failed) > 0 {
			t.Fatal(failed)
		}
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := use("one")
	open, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if second := use("two"); second == first {
		t.Error("the certificate is the old one")
	}
	if _, err := open.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(open, make([]byte, 5)); err != nil {
		t.Errorf("the open connection: %v", err)
	}
	if failed := s.apply(t.Context(), link.Desired{TLS: &link.TLS{Cert: "x", Key: "y"}}); len(failed) != 1 {
		t.Errorf("a certificate that is none: %v", failed)
	}
}
