package serve

import (
	"crypto/tls"
	"errors"

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

var errNoCertificate = errors.New("there is no certificate yet")

// tlsConfig is that of every server of the household: TLS 1.2 and 1.3 with what
// Go thinks is safe, and always the newest certificate.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := s.cert.Load(); c != nil {
				return &c.Certificate, nil
			}
			return nil, errNoCertificate
		},
	}
}
