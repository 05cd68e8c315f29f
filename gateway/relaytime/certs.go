package relaytime

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Kinds of certificates in a CERTS cell (tor-spec, "CERTS cells"; cert-spec,
// "List of certificate types"). The number is the same inside those of Ed25519.
const (
	certRSA     = 2 // X.509, the RSA identity key signs itself
	certSigning = 4 // the Ed25519 identity key signs a signing key
	certLink    = 5 // the signing key signs the link's X.509 certificate
	certCross   = 7 // the RSA identity key signs the Ed25519 identity key
)

// crossPrefix stands before what the RSA key signs (cert-spec, "RSA to Ed25519
// cross-certification").
const crossPrefix = "Tor TLS RSA/Ed25519 cross-certificate"

// parseCerts reads a CERTS cell: a number of certificates by their kinds, each
// kind at most once.
func parseCerts(b []byte) (map[byte][]byte, error) {
	if len(b) == 0 {
		return nil, errors.New("its certificates are cut short")
	}
	certs := make(map[byte][]byte)
	n, b := int(b[0]), b[1:]
	for range n {
		if len(b) < 3 || len(b)-3 < int(binary.BigEndian.Uint16(b[1:])) {
			return nil, errors.New("its certificates are cut short")
		}
		kind, end := b[0], 3+int(binary.BigEndian.Uint16(b[1:]))
		if certs[kind] != nil {
			return nil, fmt.Errorf("it has two certificates of the kind %d", kind)
		}
		certs[kind], b = b[3:end], b[end:]
	}
	return certs, nil
}

// prove checks the way from the identity that is known to the TLS certificate
// of the link (DER), and returns when the first certificate on it ends. No date
// is held against the clock: there is none.
func prove(cell []byte, id Fingerprint, link []byte) (until time.Time, err error) {
	certs, err := parseCerts(cell)
	if err != nil {
		return until, err
	}
	root, err := identity(certs[certRSA], id)
	if err != nil {
		return until, err
	}
	key, first, err := crossed(certs[certCross], root)
	if err != nil {
		return until, err
	}
	signing, second, err := signed(certs[certSigning], certSigning, key)
	if err != nil {
		return until, err
	}
	subject, third, err := signed(certs[certLink], certLink, signing)
	if err != nil {
		return until, err
	}
	if sum := sha256.Sum256(link); string(subject) != string(sum[:]) {
		return until, errors.New("its certificates are of another link")
	}
	return earliest(first, second, third), nil
}

func earliest(t time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.Before(t) {
			t = o
		}
	}
	return t
}

// identity returns the RSA identity key if it is the one that is known.
func identity(der []byte, id Fingerprint) (*rsa.PublicKey, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("its identity cannot be read: %w", err)
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || sha1.Sum(x509.MarshalPKCS1PublicKey(key)) != id {
		return nil, errors.New("it is not the relay that was asked")
	}
	return key, nil
}

// crossed returns the Ed25519 identity key that the RSA one vouches for: the
// key, the hour in which that ends, the length of the signature, and the
// signature, which is of a bare SHA-256.
func crossed(b []byte, root *rsa.PublicKey) (ed25519.PublicKey, time.Time, error) {
	const body = 32 + 4
	if len(b) <= body || len(b) != body+1+int(b[body]) {
		return nil, time.Time{}, errors.New("its cross-certificate is cut short")
	}
	sum := sha256.Sum256(append([]byte(crossPrefix), b[:body]...))
	if err := rsa.VerifyPKCS1v15(root, crypto.Hash(0), sum[:], b[body+1:]); err != nil {
		return nil, time.Time{}, fmt.Errorf("its cross-certificate is not signed by its identity: %w", err)
	}
	return b[:32], hour(b[32:]), nil
}

// signed returns what a certificate of the kind says of its subject: a key or
// the sum of one (cert-spec, "Ed25519 certificate format": version, kind, hour
// of its end, kind of key, the key, extensions, signature).
func signed(b []byte, kind byte, by ed25519.PublicKey) (subject []byte, until time.Time, err error) {
	const body, least = 7 + 32, 7 + 32 + 1 + ed25519.SignatureSize
	if len(b) < least || b[0] != 1 || b[1] != kind {
		return nil, until, fmt.Errorf("it has no certificate of the kind %d", kind)
	}
	end := len(b) - ed25519.SignatureSize
	if !ed25519.Verify(by, b[:end], b[end:]) {
		return nil, until, fmt.Errorf("its certificate of the kind %d is not signed by the one before", kind)
	}
	return b[7:body], hour(b[2:]), nil
}

func hour(b []byte) time.Time {
	return time.Unix(int64(binary.BigEndian.Uint32(b))*3600, 0).UTC()
}
