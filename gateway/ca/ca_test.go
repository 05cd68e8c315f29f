package ca

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Now()

const host = "abcdef.peer.home.arpa"

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	a, err := Load(filepath.Join(t.TempDir(), "ca"), now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func parse(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("no PEM: %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestAuthority(t *testing.T) {
	a := newAuthority(t)
	cert := parse(t, a.Certificate())
	if !cert.IsCA || !cert.MaxPathLenZero || !cert.PermittedDNSDomainsCritical || !slices.Equal(cert.PermittedDNSDomains, Domains) ||
		len(cert.ExcludedIPRanges) != 2 || cert.KeyUsage != x509.KeyUsageCertSign {
		t.Errorf("the authority is %+v", cert)
	}
	again, err := Load(a.dir, now.Add(365*24*time.Hour))
	if err != nil || again.Fingerprint() != a.Fingerprint() || len(a.Fingerprint()) != 95 {
		t.Errorf("loaded again it is %v, %v, before %v", again, err, a.Fingerprint())
	}
	for path, mode := range map[string]os.FileMode{a.dir: 0o700, filepath.Join(a.dir, "authority.pem"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestNoAuthorityBeforeTheClockIsSet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	for _, at := range []time.Time{time.Unix(1000, 0), {}} {
		if _, err := Load(dir, at); !errors.Is(err, ErrClock) {
			t.Errorf("at %v: %v", at, err)
		}
	}
	if _, err := Load(dir, now); err != nil {
		t.Error(err)
	}
}

func TestDamagedAuthorityIsNotReplaced(t *testing.T) {
	a := newAuthority(t)
	path := filepath.Join(a.dir, "authority.pem")
	leaf, err := a.Leaf("serve", []string{host}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "x", a.Certificate(), a.Certificate() + leaf.Key, leaf.Cert + leaf.Key} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(a.dir, now); err == nil {
			t.Errorf("%q is an authority", text)
		}
		if left, _ := os.ReadFile(path); string(left) != text {
			t.Errorf("%q was replaced", text)
		}
	}
}

func TestLeaf(t *testing.T) {
	a := newAuthority(t)
	leaf, err := a.Leaf("serve", []string{"box.home.arpa", host}, now)
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, leaf.Cert)
	if len(cert.Subject.Names) > 0 || len(cert.IPAddresses) > 0 || !slices.Equal(cert.DNSNames, []string{host, "box.home.arpa"}) ||
		cert.IsCA {
		t.Errorf("the leaf is for %v, %v, %v", cert.Subject, cert.DNSNames, cert.IPAddresses)
	}
	if life := cert.NotAfter.Sub(cert.NotBefore); life > 397*24*time.Hour || life < 396*24*time.Hour {
		t.Errorf("it lasts %v", life)
	}
	if _, err := tls.X509KeyPair([]byte(leaf.Cert), []byte(leaf.Key)); err != nil {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", leaf, leaf, leaf, leaf); strings.Contains(text, "PRIVATE") {
		t.Error("a leaf prints its key")
	}
}

// What a clock that was ahead has made is made again once the time is known,
// and stays while it is not.
func TestMadeInTheFuture(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	ahead := now.AddDate(8, 0, 0)
	a, err := Load(dir, ahead)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.Leaf("serve", []string{host}, ahead)
	if err != nil {
		t.Fatal(err)
	}
	same, err := Load(dir, time.Time{})
	if err != nil || same.Fingerprint() != a.Fingerprint() {
		t.Errorf("another authority without a clock: %v", err)
	}
	if kept, err := same.Leaf("serve", []string{host}, time.Time{}); err != nil || kept.Cert != leaf.Cert {
		t.Errorf("another leaf without a clock: %v", err)
	}
	if _, err := same.Leaf("serve", []string{host, "other.peer.home.arpa"}, time.Time{}); !errors.Is(err, ErrClock) {
		t.Errorf("a leaf for other names without a clock: %v", err)
	}
	right, err := Load(dir, now)
	if err != nil || right.Fingerprint() == a.Fingerprint() || now.Before(parse(t, right.Certificate()).NotBefore) {
		t.Fatalf("the authority still begins in the future: %v", err)
	}
	if again, err := right.Leaf("serve", []string{host}, now); err != nil || now.Before(parse(t, again.Cert).NotBefore) {
		t.Errorf("the leaf still begins in the future: %v", err)
	}
}

// A leaf alone may be from the future: the authority was there before.
func TestLeafFromTheFuture(t *testing.T) {
	a := newAuthority(t)
	first, err := a.Leaf("serve", []string{host}, now.AddDate(8, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := a.Leaf("serve", []string{host}, now); err != nil || second.Cert == first.Cert {
		t.Errorf("it stays: %v", err)
	}
}

func TestLeafIsRenewed(t *testing.T) {
	a := newAuthority(t)
	hosts := []string{host}
	first, err := a.Leaf("serve", hosts, now)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		name  string
		hosts []string
		at    time.Time
		same  bool
	}{
		"at once":                {"serve", hosts, now, true},
		"after 300 days":         {"serve", hosts, now.Add(300 * 24 * time.Hour), true},
		"with the clock at 1970": {"serve", hosts, time.Unix(0, 0), true},
		"another server":         {"prosody", hosts, now, false},
	} {
		if leaf, err := a.Leaf(c.name, c.hosts, c.at); err != nil || (leaf.Cert == first.Cert) != c.same {
			t.Errorf("%s: %v", what, err)
		}
	}
	late := now.Add(310 * 24 * time.Hour)
	second, err := a.Leaf("serve", hosts, late)
	if err != nil || second.Key == first.Key || !second.NotAfter.After(late.Add(300*24*time.Hour)) {
		t.Errorf("after 310 days: %v until %v", err, second.NotAfter)
	}
	third, err := a.Leaf("serve", []string{host, "x.onion"}, late)
	if err != nil || third.Cert == second.Cert {
		t.Errorf("for another name: %v", err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "serve.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if fourth, err := a.Leaf("serve", hosts, late); err != nil || fourth.Cert == third.Cert {
		t.Errorf("a damaged one: %v", err)
	}
	other := newAuthority(t)
	other.dir = a.dir
	if fifth, err := other.Leaf("serve", hosts, late); err != nil || parse(t, fifth.Cert).CheckSignatureFrom(other.cert) != nil {
		t.Errorf("by another authority: %v", err)
	}
}

// server is an HTTPS server with a certificate that the authority has signed,
// also for what it may not.
func server(t *testing.T, a *Authority, host string, at time.Time) string {
	t.Helper()
	cert, key, err := a.issue([]string{host}, at)
	if err != nil {
		t.Fatal(err)
	}
	if ip := net.ParseIP(host); ip != nil {
		tpl := template(at)
		tpl.NotAfter, tpl.IPAddresses = tpl.NotBefore.Add(leafLifetime), []net.IP{ip}
		if cert, err = sign(tpl, a.cert, key, a.key); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0",
		&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	return ln.Addr().String()
}

// Go, OpenSSL and curl take a certificate for a name of the box, and none for
// any other name or address that the authority's key has signed.
func TestClients(t *testing.T) {
	a := newAuthority(t)
	root := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(root, []byte(a.Certificate()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, signed, asked string
		at                  time.Time
		want                bool
	}{
		{"a name of the box", host, host, now, true},
		{"an onion", "abcdef.onion", "abcdef.onion", now, true},
		{"another name than asked", "box.home.arpa", host, now, false},
		{"a name of the internet", "www.example.org", "www.example.org", now, false},
		{"a name that only ends alike", "nothome.arpa", "nothome.arpa", now, false},
		{"an address", "127.0.0.1", "127.0.0.1", now, false},
		{"one whose time is over", host, host, now.Add(-500 * 24 * time.Hour), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := server(t, a, c.signed, c.at)
			for client, got := range map[string]error{
				"Go": askGo(t, a, addr, c.asked), "openssl": askOpenSSL(t, root, addr, c.asked), "curl": askCurl(t, root, addr, c.asked),
			} {
				if (got == nil) != c.want {
					t.Errorf("%s: %v", client, got)
				}
			}
		})
	}
}

func askGo(t *testing.T, a *Authority, addr, host string) error {
	pool := x509.NewCertPool()
	pool.AddCert(parse(t, a.Certificate()))
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: host})
	if err == nil {
		c.Close()
	}
	return err
}

func askOpenSSL(t *testing.T, root, addr, host string) error {
	name := "-verify_hostname"
	if net.ParseIP(host) != nil {
		name = "-verify_ip"
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", addr, "-CAfile", root, "-no-CApath", "-no-CAstore",
		"-verify_return_error", name, host, "-servername", host).CombinedOutput()
	if err == nil && !strings.Contains(string(out), "Verify return code: 0") {
		err = fmt.Errorf("openssl says\n%s", out)
	}
	return err
}

func askCurl(t *testing.T, root, addr, host string) error {
	out, err := exec.CommandContext(t.Context(), "curl", "-sS", "-m", "20", "--noproxy", "*", "--cacert", root, "--capath", "/nonexistent",
		"--connect-to", "::"+addr, "https://"+host+"/").CombinedOutput()
	if err == nil && string(out) != "hello" {
		err = fmt.Errorf("curl got %q", out)
	}
	return err
}
