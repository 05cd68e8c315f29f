// Package ca is the household's own certificate authority: it signs the
// certificates of the box's servers, so that mail and chat clients in the house
// speak TLS with them.
//
// Devices that install its certificate trust it for the names of the box and of
// friends' boxes and for nothing else: a critical name constraint (RFC 5280,
// section 4.2.1.10) limits it to home.arpa and onion, and excludes addresses.
// Keys stay with the parent, but for those of leaves, which their servers get.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tunic/gateway/durable"
)

// Domains are those below which the authority may name a server.
var Domains = []string{"home.arpa", "onion"}

// lifetime of the authority: nobody installs a certificate on every device twice.
const lifetime = 20 * 365 * 24 * time.Hour

// backdated lets devices whose clocks are behind take what is new.
const backdated = 24 * time.Hour

// sane is before every moment at which this program can have run. A box
// without a clock begins in 1970, and what it signed would be over at once.
var sane = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Known reports whether now can be the time.
func Known(now time.Time) bool { return !now.Before(sane) }

// ErrClock is returned where something would have to be signed and the time is
// not known. It goes away with the next try after it is.
var ErrClock = errors.New("the box does not know the time yet, so it makes no certificate")

// Authority signs leaves.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Load reads the authority in a directory, or makes it there. Only root may
// read what is in it. One that begins in the future was made by a clock that was
// wrong: no device accepts what it signs, and another takes its place. The zero
// time says that now is not known: then nothing is made.
func Load(dir string, now time.Time) (*Authority, error) {
	a, err := Read(dir)
	switch {
	case err == nil && (!Known(now) || !now.Before(a.cert.NotBefore)):
		return a, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	cert, key, err := create(filepath.Join(dir, file), now)
	if err != nil {
		return nil, fmt.Errorf("making the certificate authority: %w", err)
	}
	return &Authority{dir, cert, key}, nil
}

// Read reads the authority in a directory. The error is fs.ErrNotExist if none
// was made yet.
func Read(dir string) (*Authority, error) {
	path := filepath.Join(dir, file)
	cert, key, err := readPair(path)
	if err == nil && !cert.IsCA {
		err = fmt.Errorf("%s holds no authority", path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	return &Authority{dir, cert, key}, nil
}

// file is the authority's, beside those of the leaves.
const file = "authority.pem"

// create makes a new authority and keeps it.
func create(path string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	if !Known(now) {
		return nil, nil, ErrClock
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := template(now)
	t.NotAfter = t.NotBefore.Add(lifetime)
	t.Subject = pkix.Name{CommonName: "tunic home " + rand.Text()[:4]} // to tell two houses apart in a list
	t.IsCA, t.MaxPathLenZero = true, true
	t.KeyUsage = x509.KeyUsageCertSign
	t.PermittedDNSDomainsCritical = true
	t.PermittedDNSDomains = Domains
	t.ExcludedIPRanges = everyAddress()
	cert, err := sign(t, t, key, key)
	if err != nil {
		return nil, nil, err
	}
	return cert, key, writePair(path, cert, key)
}

// everyAddress is both families: names only.
func everyAddress() []*net.IPNet {
	return []*net.IPNet{{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}}
}

// template is what all our certificates have in common.
func template(now time.Time) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(1)),
		NotBefore:             now.Add(-backdated).UTC().Truncate(time.Second),
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
}

func sign(t, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Equal reports whether both are the same authority, or none.
func (a *Authority) Equal(b *Authority) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.dir == b.dir && a.cert.Equal(b.cert)
}

// Certificate is the authority's certificate in PEM, for devices to install.
func (a *Authority) Certificate() string { return string(encodeCert(a.cert)) }

// Fingerprint is the certificate's SHA-256, as clients show it.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// Name is what devices list it as.
func (a *Authority) Name() string { return a.cert.Subject.CommonName }

// NotAfter is its end.
func (a *Authority) NotAfter() time.Time { return a.cert.NotAfter }

// Validity of leaves: browsers and phones take none that lasts longer than 398
// days.
const leafLifetime = 397 * 24 * time.Hour

// renewBefore leaves a quarter of a year for whatever keeps a box off.
const renewBefore = 90 * 24 * time.Hour

// Leaf is a server's certificate with its key.
type Leaf struct {
	Names    []string
	NotAfter time.Time
	Cert     string // PEM
	Key      string // PEM, PKCS #8
}

// String hides the key from logs.
func (l Leaf) String() string { return "(certificate for " + strings.Join(l.Names, ", ") + ")" }

// GoString hides it too.
func (l Leaf) GoString() string { return l.String() }

// Leaf returns the certificate of the server called name for the given host
// names. It is the one that was made before, until it has little time left, or
// the names change, or it begins in the future: then it makes a new one, with a
// new key. The zero time says that now is not known: then the one that is there
// is good, and no other is made.
func (a *Authority) Leaf(name string, hosts []string, now time.Time) (Leaf, error) {
	hosts = slices.Clone(hosts)
	slices.Sort(hosts)
	path := filepath.Join(a.dir, name+".pem")
	cert, key, err := readPair(path)
	if err != nil || !a.good(cert, hosts, now) { // what cannot be read is replaced
		if cert, key, err = a.issue(hosts, now); err == nil {
			err = writePair(path, cert, key)
		}
	}
	if err != nil {
		return Leaf{}, fmt.Errorf("making a certificate for %s: %w", name, err)
	}
	return newLeaf(cert, key)
}

// Forget deletes the leaf called name of the authority in a directory; there may be none.
func Forget(dir, name string) error {
	if err := durable.Remove(filepath.Join(dir, name+".pem")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting the certificate for %s: %w", name, err)
	}
	return nil
}

// good reports whether a leaf is ours, for these hosts, and for long enough.
func (a *Authority) good(cert *x509.Certificate, hosts []string, now time.Time) bool {
	inTime := !now.Before(cert.NotBefore) && now.Before(cert.NotAfter.Add(-renewBefore))
	return cert.CheckSignatureFrom(a.cert) == nil && slices.Equal(cert.DNSNames, hosts) && (inTime || !Known(now))
}

func (a *Authority) issue(hosts []string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	if now.IsZero() {
		return nil, nil, ErrClock
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := template(now)
	t.NotAfter = t.NotBefore.Add(leafLifetime - time.Second)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.DNSNames = hosts
	cert, err := sign(t, a.cert, key, a.key)
	return cert, key, err
}

func newLeaf(cert *x509.Certificate, key *ecdsa.PrivateKey) (Leaf, error) {
	text, err := encodeKey(key)
	return Leaf{Names: cert.DNSNames, NotAfter: cert.NotAfter, Cert: string(encodeCert(cert)), Key: string(text)}, err
}

// writePair keeps a certificate and its key in one file, so that they always
// belong together.
func writePair(path string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	text, err := encodeKey(key)
	if err == nil {
		err = durable.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = durable.Write(path, append(encodeCert(cert), text...), 0o600)
	}
	return err
}
