// Package autoconfig tells mail programs how to reach the household's mail: the
// XML that Thunderbird and others fetch, Apple's .mobileconfig, and the
// certificate to install. All of it is public in the house: nothing depends on
// which users there are.
//
// DNS does its part in package resolver (SRV records of RFC 6186).
package autoconfig

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"text/template"
)

// Settings are all that the answers depend on.
type Settings struct {
	Domain string // of the household's addresses: "KEY.peer.home.arpa"
	Host   string // of the servers, as in their certificate
	IMAPS  uint16 // TLS from the first byte
	Submit uint16 // STARTTLS
	CA     string // the authority's certificate, PEM
}

// Thunderbird is the file config-v1.1.xml, as Thunderbird reads it
// (https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat).
func (s Settings) Thunderbird() []byte {
	return render(thunderbird, s)
}

// Apple is a configuration profile for one user's mail with the certificate of
// the authority (Apple, Configuration Profile Reference: com.apple.mail.managed,
// com.apple.security.root). The same user always gets the same, so installing
// it again replaces it.
func (s Settings) Apple(user string) []byte {
	block, _ := pem.Decode([]byte(s.CA))
	if block == nil {
		block = &pem.Block{}
	}
	return render(apple, struct {
		Settings
		User, Certificate       string
		ProfileID, MailID, CAID string
	}{s, user, base64.StdEncoding.EncodeToString(block.Bytes), uuid(s.Domain, user, "profile"), uuid(s.Domain, user, "mail"),
		uuid(s.Domain, "", "ca")})
}

//go:embed thunderbird.xml
var thunderbirdText string

//go:embed apple.xml
var appleText string

var (
	thunderbird = parse("thunderbird", thunderbirdText)
	apple       = parse("apple", appleText)
)

func parse(name, text string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{"x": escape}).Parse(text))
}

// escape makes text safe inside XML.
func escape(v any) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, fmt.Append(nil, v))
	return b.String(), err
}

func render(t *template.Template, data any) []byte {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		panic(err) // the template and its values are of one piece
	}
	return b.Bytes()
}

// uuid is one that is always the same for the same words (RFC 9562, version 8).
func uuid(words ...string) string {
	u := sha256.Sum256(fmt.Append(nil, words))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
