package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/things-go/go-socks5"

	"tunic/gateway/ca"
	"tunic/gateway/endpoint"
	"tunic/gateway/link"
	"tunic/gateway/onion"
	"tunic/gateway/peer"
	"tunic/gateway/socks"
	"tunic/internal/sockets"
)

// openTor is a SocksPort that leads every stream to one server.
type openTor struct {
	server string

	mu     sync.Mutex
	dialed []string
}

// Resolve implements socks5.NameResolver: names stay names.
func (t *openTor) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// Valid implements socks5.CredentialStore.
func (t *openTor) Valid(_, _, _ string) bool { return true }

func (t *openTor) dial(context.Context) (*net.UnixConn, error) {
	server := socks5.NewServer(socks5.WithResolver(t), socks5.WithCredential(t), socks5.WithDialAndRequest(
		func(_ context.Context, _, _ string, r *socks5.Request) (net.Conn, error) {
			t.mu.Lock()
			t.dialed = append(t.dialed, r.RawDestAddr.String())
			t.mu.Unlock()
			return net.Dial("tcp", t.server)
		}))
	return dialed(func(c net.Conn) { server.ServeConn(c) })
}

// house makes an authority and a certificate of it.
func house(t *testing.T, hosts ...string) (*x509.CertPool, link.TLS) {
	t.Helper()
	authority, err := ca.Load(filepath.Join(t.TempDir(), "ca"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Leaf("serve", hosts, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(authority.Certificate()))
	return pool, link.TLS{Cert: leaf.Cert, Key: leaf.Key}
}

// What a friend's box shares comes with this house's certificate; everything
// else at the same port passes through as it is.
func TestFilesOfFriends(t *testing.T) {
	key := strings.TrimSuffix(ourHost, ".onion")
	ours, certificate := house(t, "box.home.arpa", "*.peer.home.arpa")
	theirs, herCertificate := house(t, key+".peer.home.arpa", "photos."+key+".peer.home.arpa", "photos.home.arpa")
	pair, err := tls.X509KeyPair([]byte(herCertificate.Cert), []byte(herCertificate.Key))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go sockets.Answer(ln, sockets.Echo)
	tor := &openTor{server: ln.Addr().String()}
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if s.socks, err = socks.New(socks.Options{Log: s.log, Home: s.resolver, DialTor: tor.dial}); err != nil {
		t.Fatal(err)
	}
	if failed := s.apply(t.Context(), link.Desired{TLS: &certificate,
		DNS: link.DNS{Names: []link.Name{{Label: "alice", Onion: link.Key(peer.KeyOf(onion.Address(key)))}}}}); len(failed) > 0 {
		t.Fatal(failed)
	}
	defer s.stopAll()
	for _, c := range []struct {
		name string
		pool *x509.CertPool
		dial string
	}{
		{"alice.peer.home.arpa", ours, ourHost + ":5281"},
		{key + ".peer.home.arpa", ours, ourHost + ":5281"},
		{"photos." + key + ".peer.home.arpa", theirs, "10.192.3.4:5281"}, // our certificate does not cover it
		{"photos.home.arpa", theirs, "10.192.3.4:5281"},
	} {
		client, device := net.Pipe()
		done := make(chan error, 1)
		go func() {
			defer device.Close()
			done <- files{s}.ServeConn(t.Context(), device, endpoint.Visitor{Host: "10.192.3.4", Port: 5281})
		}()
		inside := tls.Client(client, &tls.Config{RootCAs: c.pool, ServerName: c.name})
		fmt.Fprint(inside, "hello\n")
		got := make([]byte, 6)
		if _, err := io.ReadFull(inside, got); err != nil || string(got) != "hello\n" {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		client.Close()
		<-done
		if tor.dialed[len(tor.dialed)-1] != c.dial {
			t.Errorf("%s: tor was asked for %q", c.name, tor.dialed)
		}
	}
	if len(tor.dialed) != 4 {
		t.Errorf("tor was asked for %q", tor.dialed)
	}
}

// Who was not redirected to us has nowhere to go.
func TestFilesNeedAnAddress(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	addr := handOver(t, s, "files")
	if failed := s.apply(t.Context(), link.Desired{Files: &link.Files{Listeners: []string{"files"}}}); len(failed) > 0 {
		t.Fatal(failed)
	}
	defer s.stopAll()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
	if got, err := io.ReadAll(c); len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
}
