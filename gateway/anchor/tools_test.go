package anchor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/onion"
)

// forge makes a leaf that Issue would not make: change says how it differs.
func forge(t *testing.T, parent *x509.Certificate, sign any, change func(*x509.Certificate)) Leaf {
	t.Helper()
	template, err := template(alice.Address, now)
	if err != nil {
		t.Fatal(err)
	}
	change(template)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, sign)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return Leaf{Cert: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", secret)}
}

func parse(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// below is a leaf that another leaf has signed, as if that were an authority.
func below(t *testing.T) Leaf {
	above := alice.issue(t, now)
	pair, err := tls.X509KeyPair([]byte(above.Cert), []byte(above.Key))
	if err != nil {
		t.Fatal(err)
	}
	leaf := forge(t, pair.Leaf, pair.PrivateKey, func(*x509.Certificate) {})
	leaf.Cert += above.Cert
	return leaf
}

// imitation is signed by bob and says that alice has.
func imitation(t *testing.T) Leaf {
	parent := parse(t, PEM(alice.Address))
	parent.PublicKey = bob.PublicKey()
	return forge(t, parent, signer{bob.Address, bob.sign}, func(*x509.Certificate) {})
}

// trial is a server and what a client asks of it.
type trial struct {
	name   string
	leaf   Leaf
	anchor onion.Address
	host   string
	want   bool
}

func trials(t *testing.T) []trial {
	house, outside := Names(alice.Address)[0], Names(alice.Address)[1]
	good, parent, key := alice.issue(t, now), parse(t, PEM(alice.Address)), signer{alice.Address, alice.sign}
	named := func(host string) Leaf {
		return forge(t, parent, key, func(c *x509.Certificate) { c.DNSNames = []string{host} })
	}
	return []trial{
		{"at home", good, alice.Address, house, true},
		{"elsewhere", good, alice.Address, outside, true},
		{"the anchor of another", good, bob.Address, house, false},
		{"expired", alice.issue(t, now.Add(-Lifetime-time.Hour)), alice.Address, house, false},
		{"not begun", alice.issue(t, now.Add(48*time.Hour)), alice.Address, house, false},
		{"another name", good, alice.Address, "mail.example", false},
		{"a former key of the onion's", bob.issue(t, now), alice.Address, house, false},
		{"a name on the internet", named("mail.example"), alice.Address, "mail.example", false},
		{"the name of another onion", named(Names(bob.Address)[0]), alice.Address, Names(bob.Address)[0], false},
		{"signed by another", imitation(t), alice.Address, house, false},
		{"signed by a leaf", below(t), alice.Address, house, false},
		{"for mail alone", forge(t, parent, key, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
		}), alice.Address, house, false},
	}
}

// tool says how a program is told to speak TLS with port under the name of host.
type tool struct {
	name string
	args func(anchor, host, port string) []string
}

const pythonClient = `
import socket, ssl, sys
anchor, host, port = sys.argv[1:]
c = ssl.create_default_context(cafile=anchor)
c.verify_flags |= ssl.VERIFY_X509_STRICT
with c.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), 5), server_hostname=host) as s:
    sys.stdout.buffer.write(s.recv(100))
`

var tools = []tool{
	{"openssl", func(anchor, host, port string) []string {
		return []string{"s_client", "-connect", "127.0.0.1:" + port, "-CAfile", anchor, "-x509_strict", "-verify_return_error",
			"-verify_hostname", host, "-servername", host, "-quiet"}
	}},
	{"curl", func(anchor, host, port string) []string {
		return []string{"-sS", "--http0.9", "--noproxy", "*", "-m", "8", "--cacert", anchor,
			"--connect-to", "::127.0.0.1:" + port, "https://" + host + "/"}
	}},
	{"gnutls-cli", func(anchor, host, port string) []string {
		return []string{"--x509cafile", anchor, "--verify-hostname", host, "--sni-hostname", host, "-p", port, "127.0.0.1"}
	}},
	{"python3", func(anchor, host, port string) []string { return []string{"-c", pythonClient, anchor, host, port} }},
	{"socat", func(anchor, host, port string) []string {
		return []string{"-", "OPENSSL:127.0.0.1:" + port + ",verify=1,cafile=" + anchor + ",openssl-commonname=" + host}
	}},
}

const greeting = "hello from the onion"

// serve answers everybody who accepts the leaf with the greeting.
func serve(t *testing.T, leaf Leaf) (port string) {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(leaf.Cert), []byte(leaf.Key))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(30 * time.Second))
				if c.(*tls.Conn).Handshake() == nil {
					io.WriteString(c, greeting)
					c.(*tls.Conn).CloseWrite()
					io.Copy(io.Discard, c)
				}
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// try runs a program and reports whether it accepted the server.
func try(t *testing.T, tool tool, anchor, host, port string) (bool, string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, tool.name, tool.args(anchor, host, port)...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	out, _ := c.CombinedOutput() // some say nothing by their status
	return strings.Contains(string(out), greeting), string(out)
}

// TestPrograms has programs that know nothing of tunic accept what they should
// and refuse everything else.
func TestPrograms(t *testing.T) {
	for _, tr := range trials(t) {
		t.Run(strings.ReplaceAll(tr.name, " ", "-"), func(t *testing.T) {
			port := serve(t, tr.leaf)
			file := filepath.Join(t.TempDir(), "anchor.pem")
			if err := os.WriteFile(file, []byte(PEM(tr.anchor)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tryGo(tr, port); (err == nil) != tr.want {
				t.Errorf("go: %v", err)
			}
			for _, tool := range tools {
				if _, err := exec.LookPath(tool.name); err != nil {
					t.Logf("%s is not here", tool.name)
					continue
				}
				if got, out := try(t, tool, file, tr.host, port); got != tr.want {
					t.Errorf("%s: accepted %v\n%s", tool.name, got, out)
				}
			}
		})
	}
}

func pool(a onion.Address) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM([]byte(PEM(a)))
	return p
}

func tryGo(tr trial, port string) error {
	d := &net.Dialer{Timeout: 30 * time.Second}
	c, err := tls.DialWithDialer(d, "tcp", "127.0.0.1:"+port, &tls.Config{RootCAs: pool(tr.anchor), ServerName: tr.host})
	if err != nil {
		return err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if string(b) != greeting {
		err = errors.Join(err, fmt.Errorf("it said %q", b))
	}
	return err
}

// TestClients has socat let in who has a certificate of bob's onion, and nobody else.
func TestClients(t *testing.T) {
	if _, err := exec.LookPath("socat"); err != nil {
		t.Skip("socat is not here")
	}
	dir := t.TempDir()
	mustKeep(t, dir, alice, now)
	friends := filepath.Join(dir, "bob.pem")
	if err := os.WriteFile(friends, []byte(PEM(bob.Address)), 0o600); err != nil {
		t.Fatal(err)
	}
	port := listen(t, "socat", "OPENSSL-LISTEN:%s,bind=127.0.0.1,reuseaddr,fork,verify=1,cafile="+friends+
		",cert="+filepath.Join(dir, BothFile), "SYSTEM:echo $SOCAT_OPENSSL_X509_COMMONNAME")
	for _, tc := range []struct {
		name string
		leaf *Leaf
		want bool
	}{
		{"bob", new(bob.issue(t, now)), true},
		{"nobody", nil, false},
		{"alice", new(alice.issue(t, now)), false},
		{"bob, long ago", new(bob.issue(t, now.Add(-Lifetime-time.Hour))), false},
	} {
		config := &tls.Config{RootCAs: pool(alice.Address), ServerName: Names(alice.Address)[1]}
		if tc.leaf != nil {
			pair, err := tls.X509KeyPair([]byte(tc.leaf.Cert), []byte(tc.leaf.Key))
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		said, err := ask(port, config)
		if (said == bob.Host()+"\n") != tc.want || !tc.want && said != "" {
			t.Errorf("%s: %q, %v", tc.name, said, err)
		}
	}
}

// listen starts a server on a free port, and waits for it.
func listen(t *testing.T, name, address string, args ...string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	c := exec.CommandContext(t.Context(), name, append([]string{fmt.Sprintf(address, port)}, args...)...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Wait() }) // the context has ended by then
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			return port
		}
	}
	t.Fatalf("%s does not listen", name)
	return ""
}

func ask(port string, config *tls.Config) (string, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 30 * time.Second}, "tcp", "127.0.0.1:"+port, config)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	b, err := io.ReadAll(c)
	return string(b), err
}
