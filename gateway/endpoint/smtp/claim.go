package smtp

import (
	"fmt"
	"slices"
	"strings"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/dkim"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/onion"
)

// transferField names a message on its way from one box to another: <ID@DOMAIN>
// where the domain is that of the box which sends it, and signs it. The same
// message sent again has the same name.
const transferField = "Tunic-Transfer-Id"

// claim is what a message proves of where it comes from.
type claim struct {
	key      onion.Address // of the box that brings it; "" is a stranger without one
	domain   string        // the same in mail addresses, or what it says
	transfer string        // the message's name among those of key, "" if it has none
	result   string        // for Authentication-Results (RFC 8601)
}

// prove checks the signatures: every onion that the message says it is from
// must have signed it, both the author's and the one that brings it. A group's
// box brings what others have written.
func (r *reception) prove(in *incoming) (claim, error) {
	text, err := in.text()
	if err != nil {
		return claim{}, err
	}
	signatures, err := dkim.Verify(text)
	if err != nil {
		return claim{}, err
	}
	authors, err := in.header.Authors()
	if err != nil {
		return claim{}, err
	}
	for _, a := range authors {
		if err := r.vouched(a, signatures); err != nil {
			return claim{}, err
		}
	}
	bringer := r.from
	if bringer == (address.Mailbox{}) { // a notice is brought by its author
		if bringer, err = address.Parse(authors[0]); err != nil {
			return claim{}, err
		}
		if bringer.Domain, err = usual(bringer.Domain); err != nil {
			return claim{}, err
		}
		if err := r.welcome(bringer); err != nil {
			return claim{}, err
		}
	}
	if err := r.vouched(bringer.String(), signatures); err != nil {
		return claim{}, err
	}
	return describe(bringer, in.header, signatures), nil
}

// vouched reports whether the onion of an address has signed. An address of the
// internet nobody can vouch for here: only strangers may have one.
func (r *reception) vouched(text string, signatures []dkim.Signature) error {
	m, err := address.Parse(text)
	if err != nil {
		return err
	}
	if _, err := usual(m.Domain); err != nil {
		return err
	}
	key, ok := m.Key()
	switch {
	case !ok && r.strangers():
		return nil
	case !ok:
		return errAuthor
	case !slices.ContainsFunc(signatures, func(s dkim.Signature) bool { return s.Key == key }):
		return errUnsigned
	}
	return nil
}

// describe puts together what is proved.
func describe(bringer address.Mailbox, h message.Header, signatures []dkim.Signature) claim {
	c := claim{domain: bringer.Domain, result: "dkim=none"}
	var results []string
	for _, s := range signatures {
		results = append(results, fmt.Sprintf("dkim=pass header.d=%s\r\n\theader.s=%s header.a=ed25519-sha256",
			address.Domain(s.Key), dkim.Selector))
	}
	if len(results) > 0 {
		c.result = strings.Join(results, ";\r\n\t")
	}
	key, ok := bringer.Key()
	if !ok {
		return c
	}
	c.key = key
	for _, s := range signatures {
		if s.Key == key {
			c.transfer = transfer(key, h, s)
		}
	}
	return c
}

// transfer finds the name that the box key has given to the message, if its
// signature covers all fields that hold one: else somebody may have added one.
func transfer(key onion.Address, h message.Header, s dkim.Signature) string {
	fields := h.All(transferField)
	if s.Covers(transferField) < len(fields) {
		return ""
	}
	for _, f := range fields {
		name := strings.Trim(f.Value(), "<>")
		if id, ok := strings.CutSuffix(name, "@"+address.Domain(key)); ok && len(id) <= 80 {
			return id
		}
	}
	return ""
}
