package serve

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"tunic/gateway/link"
)

// certificate is what the parent sent, made ready.
type certificate struct {
	sent link.TLS
	tls.Certificate
}

// certificate replaces what new connections get; those that are open go on.
func (a *application) certificate(want *link.TLS) {
	if want == nil {
		a.cert.Store(nil)
		return
	}
	if now := a.cert.Load(); now != nil && now.sent == *want {
		return
	}
	pair, err := tls.X509KeyPair([]byte(want.Cert), []byte(want.Key))
	if err != nil {
		a.fail("the certificate of the household's servers: %v", err)
		return
	}
	a.cert.Store(&certificate{*want, pair})
}

// phoneCertificates replaces what phones get that are away from home: each has a
// certificate by the names of its onion, which others do not see.
func (a *application) phoneCertificates(want []link.TLS) {
	if slices.Equal(want, a.phones.sent) {
		return
	}
	byName := make(map[string]*tls.Certificate)
	for _, w := range want {
		pair, err := tls.X509KeyPair([]byte(w.Cert), []byte(w.Key))
		if err != nil {
			a.fail("the certificate of a phone's onion: %v", err)
			continue
		}
		for _, name := range pair.Leaf.DNSNames {
			byName[name] = &pair
		}
	}
	a.phones.sent = want
	a.phoneCerts.Store(&byName)
}

// phoneCertificate is the one for a name that a client has asked for (RFC 6066, section
// 3), nil if it is no phone's.
func (s *Server) phoneCertificate(name string) *tls.Certificate {
	if all := s.phoneCerts.Load(); all != nil {
		return (*all)[strings.ToLower(name)]
	}
	return nil
}

var errNoCertificate = errors.New("there is no certificate yet")

// tlsConfig is that of every server of the household: TLS 1.2 and 1.3 with what
// Go thinks is safe, and always the newest certificate.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := s.phoneCertificate(hello.ServerName); c != nil {
				return c, nil
			}
			if c := s.cert.Load(); c != nil {
				return &c.Certificate, nil
			}
			return nil, errNoCertificate
		},
	}
}
