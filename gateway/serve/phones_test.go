package serve

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunic/gateway/ca"
	"tunic/gateway/link"
	"tunic/gateway/onion"
)

// onCircuit dials a front as tor does for a visitor.
func (p *parent) onCircuit(name string, circuit uint32, port uint16) net.Conn {
	p.t.Helper()
	c, err := net.Dial("unix", p.path(name))
	if err == nil {
		p.t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(30 * time.Second))
		_, err = fmt.Fprintf(c, "PROXY TCP6 fc00:dead:beef:4dad::%x:%x ::1 1 %d\r\n", circuit>>16, circuit&0xffff, port)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// twoPhones are the fronts of two phones that lead to one server without TLS, and to one
// with it.
func twoPhones(t *testing.T) (p *parent, told chan string, leaves map[string]ca.Leaf, pool *x509.CertPool) {
	t.Helper()
	authority, err := ca.Load(filepath.Join(t.TempDir(), "ca"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaves = make(map[string]ca.Leaf)
	for name, host := range map[string]string{"serve": "box.home.arpa", "one": "one.onion", "two": "two.onion"} {
		if leaves[name], err = authority.Leaf(name, []string{host}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(authority.Certificate()))
	server, told := lineServer(t)
	p = start(t)
	d := link.Desired{TLS: &link.TLS{Cert: leaves["serve"].Cert, Key: leaves["serve"].Key},
		Terminators: []link.Terminator{{Name: "imap", Server: server, Port: 993, TLS: true, Proxy: true},
			{Name: "xmpp", Server: server, Port: 5222, Proxy: true}}}
	for _, name := range []string{"one", "two", "photos"} {
		p.front(name)
		f := link.Front{Onion: name, Host: name + ".onion", Listener: "front/" + name,
			Ports: []link.Port{{Virtual: 993, Endpoint: "imap"}, {Virtual: 5222, Endpoint: "xmpp"}}}
		if name == "photos" { // one that is no phone's, and leads to no such thing
			f.Ports = nil
		} else {
			f.Phone = name
			d.PhoneTLS = append(d.PhoneTLS, link.TLS{Cert: leaves[name].Cert, Key: leaves[name].Key})
		}
		d.Fronts = append(d.Fronts, f)
	}
	p.apply(d)
	d.Fronts[2].Ports = d.Fronts[0].Ports
	if failed := p.try(d); len(failed) != 2 || !strings.Contains(failed[0], "does not run") {
		t.Errorf("an onion that is no phone's leads to the servers: %v", failed)
	}
	d.Fronts[2].Ports = nil
	p.apply(d)
	return p, told, leaves, pool
}

// source is what a server was told of who comes.
func source(t *testing.T, told chan string) string {
	t.Helper()
	select {
	case line := <-told:
		return strings.Fields(line)[2]
	case <-time.After(30 * time.Second):
		t.Fatal("nobody came")
		return ""
	}
}

// To the servers a phone is one device on all its circuits, and another one than every
// other phone: what it does wrong is counted for it alone.
func TestPhoneIsOneDevice(t *testing.T) {
	p, told, _, _ := twoPhones(t)
	var seen []string
	for _, visit := range []struct {
		phone   string
		circuit uint32
	}{{"one", 7}, {"one", 8}, {"two", 7}} {
		p.onCircuit(visit.phone, visit.circuit, 5222)
		seen = append(seen, source(t, told))
	}
	if seen[0] != seen[1] || seen[0] == seen[2] || seen[0] == onion.CircuitSource(7).String() {
		t.Errorf("the server was told %q", seen)
	}
}

// A phone that opens all that it can takes nothing from another one.
func TestPhoneHasItsOwnPlaces(t *testing.T) {
	p, told, _, _ := twoPhones(t)
	for i := range phoneStreams {
		p.onCircuit("one", uint32(i), 5222)
		source(t, told)
	}
	p.onCircuit("one", 1000, 5222)
	p.onCircuit("two", 7, 5222)
	first := source(t, told)
	if status := p.status(); first == "" || active(status, "one") > phoneStreams || active(status, "two") != 1 {
		t.Errorf("open: %d and %d", active(status, "one"), active(status, "two"))
	}
}

func active(s link.Status, name string) int {
	for _, f := range s.Fronts {
		if f.Onion == name {
			return f.Active
		}
	}
	return -1
}

// Who asks for the name of a phone's onion is shown its certificate, and others the
// house's, which has no phone's name.
func TestPhoneCertificates(t *testing.T) {
	p, told, _, pool := twoPhones(t)
	for name, want := range map[string]string{"one.onion": "one.onion", "ONE.onion": "one.onion", "two.onion": "two.onion",
		"box.home.arpa": "box.home.arpa", "three.onion": ""} {
		c := tls.Client(p.onCircuit("one", 7, 993), &tls.Config{RootCAs: pool, ServerName: name})
		err := c.Handshake()
		if (err == nil) != (want != "") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			continue
		}
		source(t, told)
		if got := c.ConnectionState().PeerCertificates[0].DNSNames; len(got) != 1 || got[0] != want {
			t.Errorf("%s gets the certificate for %q", name, got)
		}
	}
}
