package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func leafOf(t *testing.T, h *house) *x509.Certificate {
	t.Helper()
	sent := h.sent().TLS
	if sent == nil {
		t.Fatal("serve has no certificate")
	}
	pair, err := tls.X509KeyPair([]byte(sent.Cert), []byte(sent.Key))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestServeHasACertificate(t *testing.T) {
	h := newHouse(t, nil)
	h.running(t)
	leaf := leafOf(t, h)
	home := string(h.snapshot().in.Addresses["home"])
	for _, name := range []string{"box.home.arpa", home + ".peer.home.arpa", home + ".onion"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if !h.pass(t.Context()) || !leafOf(t, h).Equal(leaf) {
		t.Error("a second pass makes another certificate")
	}
}

// An authority that is damaged is not replaced behind the household's back, and
// stops nothing else.
func TestDamagedAuthority(t *testing.T) {
	h := newHouse(t, nil)
	if err := os.MkdirAll(h.Paths.CA(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.Paths.CA(), "authority.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.running(t)
	if !slices.Contains(h.codes(t), "certificate-failed") || h.sent().TLS != nil {
		t.Errorf("findings %v, certificate %v", h.codes(t), h.sent().TLS)
	}
	if h.snapshot().state != "open" {
		t.Error("the household is closed for want of a certificate")
	}
}
