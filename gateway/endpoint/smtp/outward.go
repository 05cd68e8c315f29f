package smtp

import (
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/parts"
	"tunic/gateway/endpoint/smtp/spool"
)

// outwardFields are those that leave for the internet. All others stay: what a
// program says of itself and of the account, and wishes such as a receipt.
var outwardFields = []string{"From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition"}

// outward is a header as the internet may see it: the author has the address
// that the provider has given, and nothing says where the box or a friend's is.
// A header of which that cannot be made is refused.
func (c *settings) outward(h message.Header) (message.Header, error) {
	out := message.Header{c.provided(h)}
	for _, f := range c.allowed(h) {
		switch {
		case f.Is("From"):
			continue
		case f.Is("To"), f.Is("Cc"):
			f = ofInternet(f)
		}
		if f.Raw != "" {
			out = append(out, f)
		}
		if !strings.HasPrefix(strings.ToLower(f.Name), "content-") && tellsHouse(f) { // those belong to the body
			return nil, refuse(550, 5, 7, 1, "the field %s of this mail tells the internet of an onion: take its address out", f.Name)
		}
	}
	if !out.Has("To") && !out.Has("Cc") {
		out = append(out, message.New("To", "undisclosed-recipients:;"))
	}
	return out, nil
}

// allowed are the fields of a header that may leave, with identifiers that say
// nothing of the house.
func (c *settings) allowed(h message.Header) message.Header {
	h = slices.DeleteFunc(slices.Clone(h), func(f message.Field) bool { return !slices.ContainsFunc(outwardFields, f.Is) })
	return eachID(h, func(f message.Field, left, right string) string {
		switch key, ok := address.Key(right); {
		case tellsHouse(message.New(f.Name, left)):
			return ""
		case ok && c.own(key):
			return c.Smarthost.domain()
		case ok || isLocalName(right):
			return ""
		}
		return right
	})
}

// attached is the header of a mail within another as the internet may see it.
// Who has written it, and to whom, is not changed.
func (c *settings) attached(h message.Header) (message.Header, error) {
	h = universal(c.allowed(h))
	for _, f := range h {
		if tellsHouse(f) {
			return nil, refuse(550, 5, 7, 1,
				"the field %s of a mail that is attached to this one tells the internet of an onion: forward its text instead", f.Name)
		}
	}
	return h, nil
}

// outwardBody writes the body that belongs to a header of outward, and returns
// the header that belongs to what was written.
func (c *settings) outwardBody(to *spool.Draft, h message.Header, from *spool.Draft) (message.Header, error) {
	return parts.Rules{Domain: c.Smarthost.domain(), Tells: tellsHouse, Keep: isOfInternet, Header: c.attached}.Rewrite(to, h, from.Reader)
}

// isOfInternet reports whether the identifier LEFT@RIGHT says nothing of a house.
func isOfInternet(id string) bool {
	found := idPattern().FindStringSubmatch("<" + id + ">")
	return found != nil && !isLocalName(strings.ToLower(found[2])) && !tellsHouse(message.New("Content-ID", id))
}

// provided is the author as the provider knows it.
func (c *settings) provided(h message.Header) message.Field {
	author := mail.Address{Address: c.Smarthost.From}
	for _, f := range h.All("From") {
		if list, err := addressesOf(f); err == nil && len(list) == 1 && !tellsHouse(message.New("From", list[0].Name)) {
			author.Name = list[0].Name
		}
	}
	return message.New("From", author.String())
}

// ofInternet leaves the addresses of boxes out of a list. The field is empty if
// no other is left.
func ofInternet(f message.Field) message.Field {
	if !tellsHouse(f) {
		return f
	}
	var kept []string
	list, _ := addressesOf(f) // what cannot be read stays here as well
	for _, a := range list {
		if text := a.String(); !tellsHouse(message.New(f.Name, a.Name+" "+text)) {
			kept = append(kept, text)
		}
	}
	if len(kept) == 0 {
		return message.Field{Name: f.Name}
	}
	return message.New(f.Name, strings.Join(kept, ",\r\n\t"))
}

func addressesOf(f message.Field) ([]*mail.Address, error) { return mail.ParseAddressList(f.Value()) }

// words decodes what is not ASCII. An onion is, in whatever character set.
var words = mime.WordDecoder{CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}

// tellsHouse reports whether a field has an onion's address in it, or a name
// that only houses with a box know; also in the words of RFC 2047.
func tellsHouse(f message.Field) bool {
	texts := []string{f.Value()}
	if decoded, err := words.DecodeHeader(f.Value()); err == nil {
		texts = append(texts, decoded)
	}
	return slices.ContainsFunc(texts, func(text string) bool {
		return strings.Contains(strings.ToLower(text), ".home.arpa") || address.Mentions(text)
	})
}
