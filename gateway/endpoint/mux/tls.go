package mux

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"tunic/gateway/anchor"
	"tunic/gateway/onion"
)

// Server is the TLS of the side that is called. It asks for a certificate and takes any:
// who shows none, or a wrong one, hears the same as whoever may use nothing (Proved).
func Server(own tls.Certificate) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, NextProtos: []string{Protocol},
		ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true}
}

// Client is the TLS of the side that calls the home onion of a friend, which has to prove
// that it is that.
func Client(own tls.Certificate, friend onion.Address, now func() time.Time) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, NextProtos: []string{Protocol},
		ServerName: friend.Host(), InsecureSkipVerify: true, // by the anchor, below
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.NegotiatedProtocol != Protocol {
				return errors.New("the other box does not speak of services")
			}
			return verify(s.PeerCertificates, friend, x509.ExtKeyUsageServerAuth, now())
		}}
}

// Proved reports which of these onions the other side has shown a certificate of. TLS
// has proved that it has the certificate's key.
func Proved(shown []*x509.Certificate, friends []onion.Address, now time.Time) (onion.Address, bool) {
	for _, friend := range friends {
		if verify(shown, friend, x509.ExtKeyUsageClientAuth, now) == nil {
			return friend, true
		}
	}
	return "", false
}

// verify checks that a certificate is one that the onion's key has signed for itself. What
// comes beside it is not looked at.
func verify(shown []*x509.Certificate, who onion.Address, usage x509.ExtKeyUsage, now time.Time) error {
	if len(shown) == 0 {
		return errors.New("the other side has shown no certificate")
	}
	root, err := x509.ParseCertificate(anchor.DER(who))
	if err != nil {
		return fmt.Errorf("computing the anchor of %s: %w", who.Host(), err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	_, err = shown[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), DNSName: who.Host(),
		CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}
