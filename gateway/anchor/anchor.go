// Package anchor makes certificates of onion addresses (docs/onion-certificates.md).
//
// An onion address is an ed25519 key. The X.509 trust anchor with that key is
// computed from its 56 letters alone, the same bytes by everybody, and what the
// onion's key signs is accepted under it, for the onion's own names only.
package anchor

import (
	"encoding/pem"

	"tunic/gateway/onion"
)

// The names that an anchor admits, and a leaf has, are KEY and these.
const (
	houseSuffix = ".peer.home.arpa" // in houses with a box
	onionSuffix = ".onion"          // elsewhere
)

// Names are those that the certificates of an onion may be for, as a leaf has them.
func Names(a onion.Address) []string {
	return []string{string(a) + houseSuffix, string(a) + onionSuffix}
}

// Tags of DER (ITU-T X.690).
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagBits        = 0x03
	tagOctets      = 0x04
	tagObject      = 0x06
	tagPrintable   = 0x13
	tagUTCTime     = 0x17
	tagTime        = 0x18
	tagSequence    = 0x30
	tagSet         = 0x31
	tagContext     = 0x80 // and the number
	tagConstructed = 0xa0 // and the number
)

// Object identifiers, as DER has them after tag and length.
const (
	oidEd25519          = "\x2b\x65\x70"                     // 1.3.101.112, RFC 8410
	oidCommonName       = "\x55\x04\x03"                     // 2.5.4.3
	oidSubjectKeyID     = "\x55\x1d\x0e"                     // 2.5.29.14
	oidKeyUsage         = "\x55\x1d\x0f"                     // 2.5.29.15
	oidBasicConstraints = "\x55\x1d\x13"                     // 2.5.29.19
	oidNameConstraints  = "\x55\x1d\x1e"                     // 2.5.29.30
	oidExtKeyUsage      = "\x55\x1d\x25"                     // 2.5.29.37
	oidServerAuth       = "\x2b\x06\x01\x05\x05\x07\x03\x01" // 1.3.6.1.5.5.7.3.1
	oidClientAuth       = "\x2b\x06\x01\x05\x05\x07\x03\x02" // 1.3.6.1.5.5.7.3.2
)

// The life of an anchor: that of the address, which has no end (RFC 5280,
// section 4.1.2.5).
const (
	begin = "700101000000Z"
	end   = "99991231235959Z"
)

// DER returns the trust anchor of an onion, which must be a valid address.
//
// Its signature is 64 zero bytes: nobody but the onion could make another one,
// and nobody verifies that of an anchor (RFC 5280, section 6.1.1 (d)). It may sign
// certificates of TLS servers and clients, under the onion's names, and no
// authority below itself.
func DER(a onion.Address) []byte {
	algorithm := der(tagSequence, der(tagObject, []byte(oidEd25519)))
	name := der(tagSequence, der(tagSet, der(tagSequence, der(tagObject, []byte(oidCommonName)), der(tagPrintable, []byte(a)))))
	certificate := der(tagSequence,
		der(tagConstructed, der(tagInteger, []byte{2})), // version 3
		der(tagInteger, []byte{1}),                      // serial number
		algorithm,
		name,
		der(tagSequence, der(tagUTCTime, []byte(begin)), der(tagTime, []byte(end))),
		name,
		der(tagSequence, algorithm, bits(a.PublicKey())),
		der(tagConstructed|3, der(tagSequence, extensions(a)...)))
	return der(tagSequence, certificate, algorithm, bits(make([]byte, 64)))
}

// extensions are those of an anchor, in their order.
func extensions(a onion.Address) [][]byte {
	var names [][]byte
	for _, name := range Names(a) {
		names = append(names, der(tagSequence, der(tagContext|2, []byte(name))))
	}
	return [][]byte{
		extension(oidBasicConstraints, true, der(tagSequence, der(tagBoolean, []byte{0xff}), der(tagInteger, []byte{0}))),
		extension(oidKeyUsage, true, der(tagBits, []byte{2, 0x04})), // keyCertSign
		extension(oidExtKeyUsage, false, der(tagSequence, der(tagObject, []byte(oidServerAuth)), der(tagObject, []byte(oidClientAuth)))),
		extension(oidNameConstraints, true, der(tagSequence,
			der(tagConstructed, names...),
			der(tagConstructed|1, // no address, of either family
				der(tagSequence, der(tagContext|7, make([]byte, 8))),
				der(tagSequence, der(tagContext|7, make([]byte, 32)))))),
		extension(oidSubjectKeyID, false, der(tagOctets, a.PublicKey())),
	}
}

func extension(oid string, critical bool, value []byte) []byte {
	parts := [][]byte{der(tagObject, []byte(oid))}
	if critical {
		parts = append(parts, der(tagBoolean, []byte{0xff}))
	}
	return der(tagSequence, append(parts, der(tagOctets, value))...)
}

// bits is a BIT STRING of whole bytes.
func bits(b []byte) []byte { return der(tagBits, []byte{0}, b) }

// der is a tag, the length of the parts, and the parts.
func der(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := []byte{tag}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default: // an anchor has less than 1000 bytes
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// PEM returns the trust anchor as programs read it from a file (RFC 7468).
func PEM(a onion.Address) string { return encode("CERTIFICATE", DER(a)) }

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
