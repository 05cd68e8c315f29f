//go:build lab

package xmpp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"tunic/rules"
	"tunic/rules/netfilter"
)

// Decision 58 has three walls. Each test here takes the two others away, or has
// none of them in its way, and then looks at an attack with its wall and without.

const attacker = "attacker.example.com"

// withoutModule is a configuration without the wall of the module.
func withoutModule(text string) string { return strings.Replace(text, `"tunic_friends", `, "", 1) }

// befriended is an open stream of bob's box b, which is in the intruder's hands.
func befriended(t *testing.T, a, b *box) *intruder {
	t.Helper()
	const secret = "known to the intruder"
	b.extra = fmt.Sprintf("dialback_secret = %q", secret)
	b.start()
	b.login("bob").conn.Close() // it is up, to say that the key is right
	i := intrude(t, fmt.Sprintf("%s:%d", addrA, serverPort), hostB, hostA)
	if i == nil {
		t.Fatal("a friend's box is not let in")
	}
	_, id, _ := strings.Cut(i.features, "id='")
	id, _, _ = strings.Cut(id, "'")
	hash := sha256.Sum256([]byte(secret))
	mac := hmac.New(sha256.New, []byte(hex.EncodeToString(hash[:])))
	fmt.Fprintf(mac, "%s %s %s", hostA, hostB, id) // XEP-0185
	i.write("<db:result from='%s' to='%s'>%x</db:result>", hostB, hostA, mac.Sum(nil))
	if text, ok := i.hears("type='valid'", 20*time.Second); !ok {
		t.Fatalf("a friend's box is told %q", text)
	}
	return i
}

func (i *intruder) say(body string) bool {
	return i.write("<message from='%s' to='%s' type='chat'><body>%s</body></message>", bob, alice, body)
}

// TestForgottenStream: on a stream that was open when its box was forgotten
// nothing more is said, and the stream ends at once. Without the module it goes on.
func TestForgottenStream(t *testing.T) {
	for _, standing := range []bool{true, false} {
		t.Run(fmt.Sprintf("module %v", standing), func(t *testing.T) {
			a, b, _ := boxes(t)
			if !standing {
				a.edit = withoutModule
			}
			a.start()
			alices := a.login("alice")
			i := befriended(t, a, b)
			i.say("before")
			if m, ok := alices.next(arrivalTime); !ok || m.Body != "before" {
				t.Fatalf("as a friend bob says %q", m.Body)
			}
			a.conf.Peers = nil
			a.write()
			a.reload()
			if ended := i.ended(4 * time.Second); ended != standing {
				t.Errorf("the stream has ended: %v", ended)
			}
			i.say("after")
			if m, ok := alices.next(4 * time.Second); ok == standing {
				t.Errorf("alice hears %q", m.Body)
			}
		})
	}
}

// TestWallOfTheFilter: a friend's stream ends with the first stanza for a host
// that speaks with no other server, or in the name of somebody else.
func TestWallOfTheFilter(t *testing.T) {
	for what, stanza := range map[string]string{
		"files": fmt.Sprintf("<iq type='get' id='1' from='%s' to='%s'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
			bob, Files(hostA)),
		"name": fmt.Sprintf("<message from='eve@%s' to='%s' type='chat'><body>FORGED</body></message>", attacker, alice),
	} {
		t.Run(what, func(t *testing.T) {
			a, b, _ := boxes(t)
			a.start()
			alices := a.login("alice")
			i := befriended(t, a, b)
			i.write("%s", stanza)
			if !i.ended(4 * time.Second) {
				t.Error("the stream goes on")
			}
			if !strings.Contains(a.logged(), "no friend's box speaks there") {
				t.Error("it was not the filter that ended the stream")
			}
			if m, ok := alices.next(100 * time.Millisecond); ok {
				t.Errorf("alice hears %q", m.Body)
			}
		})
	}
}

// TestWallOfTheConfiguration: a certificate of an authority that Prosody believes
// speaks for no domain. With s2s_auth_certs it does.
func TestWallOfTheConfiguration(t *testing.T) {
	for _, standing := range []bool{true, false} {
		t.Run(fmt.Sprintf("s2s_auth_certs off %v", standing), func(t *testing.T) {
			a, _, _ := boxes(t)
			certificate := authority(t, a.dir+"/ca.pem")
			a.extra = fmt.Sprintf("s2s_ssl = { cafile = %q }", a.dir+"/ca.pem")
			a.edit = func(text string) string {
				if !standing {
					text = strings.Replace(text, `"s2s_auth_certs", `, "", 1)
				}
				return withoutModule(text)
			}
			a.start()
			alices := a.login("alice")
			i := intrude(t, fmt.Sprintf("%s:%d", addrA, serverPort), attacker, hostA, certificate)
			if i == nil {
				t.Fatal("the attacker did not come to TLS")
			}
			if offered := strings.Contains(i.features, "EXTERNAL"); offered == standing {
				t.Errorf("a certificate may speak: %v", offered)
			}
			i.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
			if _, ok := i.hears("<success", 3*time.Second); ok {
				i.begin(attacker, hostA)
			}
			i.forge(attacker, alice)
			if m, ok := alices.next(4 * time.Second); ok == standing {
				t.Errorf("alice hears %q", m.Body)
			}
		})
	}
}

// authority writes a certificate of the attacker's that vouches for itself.
func authority(t *testing.T, path string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: attacker}, DNSNames: []string{attacker},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestWallOfTheKernel: without the module Prosody asks the DNS for a stranger and
// dials what it says; the rules for its user let neither leave it.
func TestWallOfTheKernel(t *testing.T) {
	for _, standing := range []bool{true, false} {
		t.Run(fmt.Sprintf("rules %v", standing), func(t *testing.T) {
			children := []rules.Child{{UID: nobody,
				May: []rules.Way{{Protocol: rules.ProtocolTCP, To: netip.MustParseAddr("127.0.0.1"), Port: socksPort}}}}
			if !standing {
				children = nil
			}
			load(t, children)
			l := startLiar(t)
			a, _, _ := boxes(t)
			a.edit = withoutModule
			a.start()
			a.login("alice").conn.Close() // it answers still
			attack(t, fmt.Sprintf("%s:%d", addrA, serverPort), attacker, Files(hostA), alice)
			if asked := l.questions.Load()+l.dials.Load() > 0; asked == standing {
				t.Errorf("the box asked %d questions of the DNS and dialled the attacker %d times", l.questions.Load(), l.dials.Load())
			}
			if standing && a.forged() != "" {
				t.Errorf("kept in %s", a.forged())
			}
		})
	}
}

// load has the test's namespace judged by the rules of a box with these children.
func load(t *testing.T, children []rules.Child) {
	t.Helper()
	set, err := rules.Compile(rules.Input{Mode: rules.Open, Default: rules.Tor, Interfaces: []string{"lan1"},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.77.0/24")},
		Carriers: []rules.Carrier{{UID: 971, TransPort: 9240, DNSPort: 9253}},
		Services: []rules.Service{{Name: "dns", UDP: true, Public: 53, Internal: 9353}}, Virtual4: netip.MustParsePrefix("10.192.0.0/16"),
		Virtual6: netip.MustParsePrefix("fdc7:7a3e:91b2::/48"), Children: children})
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := netfilter.New(t.Context(), slog.New(slog.DiscardHandler))
	if err == nil {
		err = kernel.Apply(t.Context(), set)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kernel.Teardown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
