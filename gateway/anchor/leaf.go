package anchor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"tunic/gateway/ca"
	"tunic/gateway/onion"
)

const (
	// Lifetime is that of a leaf: nothing else takes one back that was stolen.
	Lifetime = 90 * 24 * time.Hour
	// RenewBefore is how long before its end a leaf is replaced: enough for
	// whatever keeps a box off.
	RenewBefore = 30 * 24 * time.Hour
	// backdated lets friends' boxes whose clocks are behind take what is new.
	backdated = 24 * time.Hour
)

// Sign makes the ed25519 signature (RFC 8032; 64 bytes) of a message with the
// onion's key. What Issue has signed is a certificate, longer than any digest.
type Sign func(message []byte) ([]byte, error)

// Leaf is a certificate that an onion's key has signed, with its own key.
type Leaf struct {
	NotAfter time.Time
	Cert     string // PEM; the anchor is not among it
	Key      string // PEM, PKCS #8
}

// String hides the key from logs.
func (l Leaf) String() string { return "(certificate until " + l.NotAfter.Format(time.DateOnly) + ")" }

// GoString hides it too.
func (l Leaf) GoString() string { return l.String() }

// Issue makes a leaf with a new P-256 key for the names of an onion, for TLS
// servers and clients, from now on for Lifetime. The error is ca.ErrClock where
// now cannot be the time.
func Issue(a onion.Address, sign Sign, now time.Time) (Leaf, error) {
	if !ca.Known(now) {
		return Leaf{}, ca.ErrClock
	}
	leaf, err := issue(a, sign, now)
	if err != nil {
		return Leaf{}, fmt.Errorf("making a certificate for %s: %w", a.Host(), err)
	}
	return leaf, nil
}

func issue(a onion.Address, sign Sign, now time.Time) (Leaf, error) {
	parent, err := x509.ParseCertificate(DER(a))
	if err != nil {
		return Leaf{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Leaf{}, err
	}
	t, err := template(a, now)
	if err != nil {
		return Leaf{}, err
	}
	// It verifies the signature too, under the key that the address is.
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer{a, sign})
	if err != nil {
		return Leaf{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Leaf{}, err
	}
	return Leaf{NotAfter: t.NotAfter, Cert: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", secret)}, nil
}

// template is what a leaf says. Its subject differs from that of the anchor, or
// it would be taken for one that signed itself.
func template(a onion.Address, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(2)), // the anchor has 1
		Subject:               pkix.Name{CommonName: a.Host()},
		NotBefore:             now.Add(-backdated).UTC().Truncate(time.Second),
		NotAfter:              now.Add(Lifetime).UTC().Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              Names(a),
	}, nil
}

// signer makes a crypto.Signer of a Sign.
type signer struct {
	address onion.Address
	sign    Sign
}

func (s signer) Public() crypto.PublicKey { return s.address.PublicKey() }

func (s signer) Sign(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	return s.sign(message)
}

// good reports whether a leaf is one that the onion's key has signed, with its
// key, and for how long; with now zero its time does not count.
func good(a onion.Address, cert, key []byte, now time.Time) (time.Time, bool) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil || len(pair.Certificate) != 1 {
		return time.Time{}, false
	}
	parent, err := x509.ParseCertificate(DER(a))
	if err != nil {
		return time.Time{}, false
	}
	c := pair.Leaf
	inTime := now.IsZero() || !now.Before(c.NotBefore) && now.Before(c.NotAfter.Add(-RenewBefore))
	return c.NotAfter, inTime && c.CheckSignatureFrom(parent) == nil && slices.Equal(c.DNSNames, Names(a))
}
