package relaytime

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"
)

// relay is one of ours, made as tor makes its own, whose parts a test spoils.
type relay struct {
	id                         Fingerprint
	link                       tls.Certificate
	rsaID, cross, signing, tls []byte
	cells                      func(r *relay) []byte // what it sends after VERSIONS
	told                       time.Time
	slow                       func()
}

var (
	until = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	told  = time.Date(2026, 11, 28, 21, 0, 0, 0, time.UTC)
)

func newRelay(t testing.TB) *relay {
	t.Helper()
	root, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	edPub, edKey, _ := ed25519.GenerateKey(rand.Reader)
	signPub, signKey, _ := ed25519.GenerateKey(rand.Reader)
	r := &relay{id: sha1.Sum(x509.MarshalPKCS1PublicKey(&root.PublicKey)), cells: (*relay).hello, told: told}
	r.rsaID = selfSigned(t, root)
	linkKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der := selfSigned(t, linkKey)
	r.link = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: linkKey}
	r.cross = crossCert(t, root, edPub)
	r.signing = edCert(certSigning, signPub, edKey)
	sum := sha256.Sum256(der)
	r.tls = edCert(certLink, sum[:], signKey)
	return r
}

func selfSigned(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	// Over long ago, and not begun: nothing here may look at such dates.
	x := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: told.AddDate(3, 0, 0), NotAfter: told.AddDate(-3, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, x, x, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func hours(at time.Time) []byte { return binary.BigEndian.AppendUint32(nil, uint32(at.Unix()/3600)) }

func crossCert(t testing.TB, root *rsa.PrivateKey, ed ed25519.PublicKey) []byte {
	t.Helper()
	body := append(append([]byte{}, ed...), hours(until)...)
	sum := sha256.Sum256(append([]byte(crossPrefix), body...))
	signature, err := rsa.SignPKCS1v15(nil, root, crypto.Hash(0), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return append(append(body, byte(len(signature))), signature...)
}

func edCert(kind byte, subject []byte, by ed25519.PrivateKey) []byte {
	b := append([]byte{1, kind}, hours(until)...)
	b = append(append(b, 1), subject...)
	b = append(b, 0) // no extension
	return append(b, ed25519.Sign(by, b)...)
}

func (r *relay) certs() []byte {
	b := []byte{4}
	for kind, cert := range map[byte][]byte{certRSA: r.rsaID, certSigning: r.signing, certLink: r.tls, certCross: r.cross} {
		b = append(binary.BigEndian.AppendUint16(append(b, kind), uint16(len(cert))), cert...)
	}
	return b
}

func variable(command byte, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0, 0, 0, 0, command}, uint16(len(payload))), payload...)
}

func (r *relay) netinfo() []byte {
	b := append([]byte{0, 0, 0, 0, cellNetinfo}, make([]byte, fixedLen)...)
	binary.BigEndian.PutUint32(b[5:], uint32(r.told.Unix()))
	return b
}

// hello is what tor sends: with an AUTH_CHALLENGE between.
func (r *relay) hello() []byte {
	b := append(variable(cellCerts, r.certs()), variable(130, make([]byte, 40))...)
	return append(b, r.netinfo()...)
}

// dial gives the asker a connection to the relay.
func (r *relay) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		conn := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{r.link}})
		question := make([]byte, len(versions))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		if r.slow != nil {
			r.slow()
		}
		_, _ = conn.Write(append([]byte{0, 0, cellVersions, 0, 4, 0, 4, 0, 5}, r.cells(r)...))
	}()
	return ours, nil
}

// asker is one for which an hour has passed since the start.
func (r *relay) asker(boot func() time.Duration) Asker { return Asker{Dial: r.dial, Boot: boot} }

func anHour() time.Duration { return time.Hour }

func named(name string, id Fingerprint) Relay {
	return Relay{Name: name, ID: id, Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:443")}}
}
