// Package dkim signs mail with an onion's key and verifies such signatures
// (RFC 6376 with ed25519, RFC 8463). The signing domain is KEY.peer.home.arpa,
// and KEY is the public key: whoever has the address can verify, and neither
// side asks any DNS.
//
// Use it for mail between boxes. It says nothing about signatures of other
// domains, whose keys only the internet's DNS knows.
package dkim

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/onion"
)

// Selector names the one key that an onion has. Verifiers do not look at it.
const Selector = "onion"

// maxSignatures is how many are looked at: the author's, and one for each
// group on the way.
const maxSignatures = 8

// signed are the fields that a signature covers if they are there.
var signed = []string{"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Mail-Followup-To", "Mail-Reply-To", "Disposition-Notification-To",
	"Return-Receipt-To"}

// sealed are those of which nobody may add another one afterwards (RFC 6376,
// section 8.15).
var sealed = []string{"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Mail-Followup-To", "Mail-Reply-To", "Disposition-Notification-To",
	"Return-Receipt-To"}

// Signer signs the SHA-256 digest of what a signature covers, with the key of
// one onion (RFC 8463, section 3), and returns 64 bytes.
type Signer func(digest [32]byte) ([]byte, error)

// Sign returns the DKIM-Signature field, with its line end, for a message: its
// header without the empty line, and its body. extra are further fields that it
// covers, each as often as named.
func Sign(key onion.Address, sign Signer, header string, body io.Reader, extra ...string) (string, error) {
	keys := append(append(append([]string{}, signed...), sealed...), extra...)
	s, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: address.Domain(key), Selector: Selector, Signer: adapter{key, sign}, HeaderKeys: keys,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		return "", fmt.Errorf("signing a message: %w", err)
	}
	_, err = io.Copy(s, io.MultiReader(strings.NewReader(header+"\r\n"), body))
	if err := errors.Join(err, s.Close()); err != nil {
		return "", fmt.Errorf("signing a message: %w", err)
	}
	return s.Signature(), nil
}

// adapter makes a crypto.Signer of a Signer.
type adapter struct {
	key  onion.Address
	sign Signer
}

func (a adapter) Public() crypto.PublicKey { return a.key.PublicKey() }

func (a adapter) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	if len(digest) != 32 {
		return nil, fmt.Errorf("a digest of %d bytes", len(digest))
	}
	return a.sign([32]byte(digest))
}

// Signature is one that verifies: the onion vouches for the message.
type Signature struct {
	Key    onion.Address
	Fields []string // the covered fields, each as often as it is covered
}

// Covers counts how many fields of a name the signature covers.
func (s Signature) Covers(name string) int {
	n := 0
	for _, f := range s.Fields {
		if strings.EqualFold(f, name) {
			n++
		}
	}
	return n
}

// Verify returns the signatures of onions that verify. A signature that does
// not, or is of another domain, is as if it were not there. The error is about
// reading the message.
func Verify(message io.Reader) ([]Signature, error) {
	all, err := dkim.VerifyWithOptions(message, &dkim.VerifyOptions{LookupTXT: lookup, MaxVerifications: maxSignatures})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return nil, fmt.Errorf("verifying signatures: %w", err)
	}
	var good []Signature
	for _, v := range all {
		if key, ok := address.Key(strings.ToLower(v.Domain)); ok && v.Err == nil {
			good = append(good, Signature{Key: key, Fields: v.HeaderKeys})
		}
	}
	return good, nil
}

var errForeign = errors.New("only onions' keys are known here")

// lookup answers what a verifier asks the DNS: the key record of
// SELECTOR._domainkey.KEY.peer.home.arpa (RFC 6376, section 3.6.2.1).
func lookup(name string) ([]string, error) {
	_, domain, ok := strings.Cut(strings.ToLower(name), "._domainkey.")
	if !ok || !strings.HasSuffix(domain, address.Suffix) {
		return nil, errForeign
	}
	key, ok := address.Key(domain)
	if !ok {
		return nil, errForeign
	}
	public := key.PublicKey()
	if len(public) != ed25519.PublicKeySize {
		return nil, errForeign
	}
	return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, nil
}
