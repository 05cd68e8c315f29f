package smtp

import (
	"mime"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/onion"
)

// outwardFields are those that leave for the internet. All others stay: what a
// program says of itself and of the account, and wishes such as a receipt.
var outwardFields = []string{"From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition"}

// outward is a message as the internet may see it: the author has the address
// that the provider has given, and nothing says where the box or a friend's is.
// A header of which that cannot be made is refused.
func (c *settings) outward(h message.Header) (message.Header, error) {
	_, domain, _ := strings.Cut(c.Smarthost.From, "@")
	h = slices.DeleteFunc(slices.Clone(h), func(f message.Field) bool { return !slices.ContainsFunc(outwardFields, f.Is) })
	h = eachID(h, func(f message.Field, left, right string) string {
		switch key, ok := address.Key(right); {
		case tellsHouse(message.New(f.Name, left)):
			return ""
		case ok && c.own(key):
			return domain
		case ok || isLocalName(right):
			return ""
		}
		return right
	})
	out := message.Header{c.provided(h)}
	for _, f := range h {
		switch {
		case f.Is("From"):
			continue
		case f.Is("To"), f.Is("Cc"):
			f = ofInternet(f)
		}
		if f.Raw != "" {
			out = append(out, f)
		}
		if tellsHouse(f) {
			return nil, refuse(550, 5, 7, 1, "the field %s of this mail tells the internet of an onion: take its address out", f.Name)
		}
	}
	if !out.Has("To") && !out.Has("Cc") {
		out = append(out, message.New("To", "undisclosed-recipients:;"))
	}
	return out, nil
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

// keyLetters are as many letters and digits of base32 as an onion's address has, or more.
var keyLetters = regexp.MustCompile(`[a-z2-7]{56,}`)

// tellsHouse reports whether a field has an onion's address in it, or a name
// that only houses with a box know; also in the words of RFC 2047.
func tellsHouse(f message.Field) bool {
	texts := []string{f.Value()}
	if decoded, err := new(mime.WordDecoder).DecodeHeader(f.Value()); err == nil {
		texts = append(texts, decoded)
	}
	return slices.ContainsFunc(texts, func(text string) bool {
		text = strings.ToLower(text)
		return strings.Contains(text, ".home.arpa") || slices.ContainsFunc(keyLetters.FindAllString(text, -1), hasKey)
	})
}

// hasKey looks for an onion's address, whose checksum is right, in a long word.
func hasKey(word string) bool {
	for i := range len(word) - 55 {
		if _, err := onion.Parse(word[i : i+56]); err == nil {
			return true
		}
	}
	return false
}
