package ca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

const (
	typeCert = "CERTIFICATE"
	typeKey  = "PRIVATE KEY"
)

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typeCert, Bytes: cert.Raw})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: der}), err
}

// readPair reads what writePair has written. The error repeats none of it.
func readPair(path string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	cert, key, err := parsePair(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return cert, key, nil
}

func parsePair(text []byte) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	first, rest := pem.Decode(text)
	second, _ := pem.Decode(rest)
	if first == nil || second == nil || first.Type != typeCert || second.Type != typeKey {
		return nil, nil, errors.New("it is not a certificate and a key in PEM")
	}
	cert, err := x509.ParseCertificate(first.Bytes)
	if err != nil {
		return nil, nil, errors.New("the certificate is none")
	}
	any, err := x509.ParsePKCS8PrivateKey(second.Bytes)
	key, ok := any.(*ecdsa.PrivateKey)
	if err != nil || !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, errors.New("the key is not that of the certificate")
	}
	return cert, key, nil
}
