package parts

import (
	"errors"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"
	"sync"

	"tunic/gateway/endpoint/smtp/message"
)

// Kinds of parts that mean something here.
const (
	plain = "text/plain"
	html  = "text/html"
	mail  = "message/rfc822"
)

// part is what a header says of what follows it.
type part struct {
	kind     string // its media type, in lower case
	encoding string // of its transfer, in lower case
	boundary string // as it is
	fresh    string // as it leaves

	attached bool // it has a name, or says that it is a file
	mailFile bool // its name is that of a file with a mail in it
}

func (p part) multipart() bool { return strings.HasPrefix(p.kind, "multipart/") }

func (p part) mail() bool { return p.kind == mail || p.kind == "message/global" }

// contentFields are those of a part that leave. All others stay: where a file
// came from, when it was changed, what a program says of itself.
var contentFields = []string{"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID", "Content-Description",
	"Content-Language"}

// onlyContent is a header without what says nothing of a part.
func onlyContent(h message.Header) message.Header {
	return slices.DeleteFunc(slices.Clone(h), func(f message.Field) bool { return !slices.ContainsFunc(contentFields, f.Is) })
}

// content changes the fields that say what a part is; of several with one name
// the first is one, for every reader. kind is what it is without a word.
func (x *rewriter) content(h message.Header, kind string) (message.Header, part, error) {
	p := part{kind: kind}
	var out message.Header
	for _, f := range h {
		if strings.HasPrefix(strings.ToLower(f.Name), "content-") && out.Has(f.Name) {
			continue
		}
		if f.Is("Content-Type") || f.Is("Content-Disposition") {
			p.named(f)
		}
		changed, err := x.field(f, &p)
		if err != nil {
			return nil, p, err
		}
		if x.tells(changed) {
			return nil, p, refuse("the field %s in a part of this mail tells the internet of an onion: take its address out", f.Name)
		}
		if changed.Raw != "" {
			out = append(out, changed)
		}
	}
	return out, p, p.check()
}

// tells looks at a field and at its parameters as they are decoded (RFC 2231).
func (x *rewriter) tells(f message.Field) bool {
	if x.Tells(f) {
		return true
	}
	_, params, _ := mime.ParseMediaType(f.Value())
	for _, value := range params {
		if x.Tells(message.New(f.Name, value)) {
			return true
		}
	}
	return false
}

// check refuses what others would read in another way than we.
func (p part) check() error {
	encoded := p.encoding == "base64" || p.encoding == "quoted-printable"
	switch {
	case !p.mail() && (strings.HasPrefix(p.kind, "message/") || slices.Contains(mailKinds, p.kind)):
		return refuse("a part of this mail is of the kind %q, which this box cannot look into: send it as an attached mail or as text",
			p.kind)
	case p.mailFile && !p.mail():
		return errMailFile
	case p.multipart() && (p.boundary == "" || encoded), p.mail() && encoded: // RFC 2045, section 6.4
		return errShape
	case encoded || slices.Contains([]string{"", "7bit", "8bit", "binary"}, p.encoding):
		return nil
	}
	return refuse("a part of this mail has the encoding %q, which this box cannot look into: send it as base64", p.encoding)
}

// field is one field as it may leave, empty if it stays.
func (x *rewriter) field(f message.Field, p *part) (message.Field, error) {
	switch {
	case f.Is("MIME-Version"):
		return x.tidy(f, "1.0"), nil // some say in a comment what they are
	case f.Is("Content-Type"):
		return x.contentType(f, p)
	case f.Is("Content-Transfer-Encoding"):
		p.encoding = strings.ToLower(f.Value())
		return f, nil
	case f.Is("Content-Disposition"):
		kind, params, err := mime.ParseMediaType(f.Value())
		if kind == "" || err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
			return message.Field{Name: f.Name}, nil
		}
		return x.media(f, kind, params, "filename"), nil
	case f.Is("Content-ID"):
		if id := bracketed().FindStringSubmatch(f.Value()); id != nil {
			return x.tidy(f, "<"+x.id(id[1])+">"), nil
		}
		return message.Field{Name: f.Name}, nil
	}
	return f, nil
}

// tidy is a field with another value, and the same one if it has that already.
func (x *rewriter) tidy(f message.Field, value string) message.Field {
	if f.Value() == value {
		return f
	}
	return message.New(f.Name, value)
}

// typeParams are the parameters of Content-Type that leave.
var typeParams = []string{"boundary", "charset", "delsp", "differences", "format", "method", "micalg", "name", "protocol",
	"report-type", "smime-type", "start", "type"}

// charset finds the one parameter that a text cannot be read without.
var charset = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i);\s*charset\s*=\s*"?([a-z0-9._:-]{1,40})`)
})

func (x *rewriter) contentType(f message.Field, p *part) (message.Field, error) {
	kind, params, err := mime.ParseMediaType(f.Value())
	if errors.Is(err, mime.ErrInvalidMediaParameter) && kind != "" {
		params = make(map[string]string)
		if c := charset().FindStringSubmatch(f.Value()); c != nil {
			params["charset"] = c[1]
		}
	} else if err != nil {
		return f, errShape
	}
	p.kind, p.boundary = kind, strings.TrimRight(params["boundary"], " \t")
	if id := strings.Trim(params["start"], "<>"); id != "" { // RFC 2387
		params["start"] = "<" + x.id(id) + ">"
	}
	if p.multipart() && !x.sealed {
		p.fresh = boundary()
		params["boundary"] = p.fresh
	}
	return x.media(f, kind, params, typeParams...), nil
}

// maxParam is how long a parameter may be; a line has 998 characters at most.
const maxParam = 900

// media is a field of a kind with the parameters that are allowed. It stays as it
// is where that changes nothing.
func (x *rewriter) media(f message.Field, kind string, params map[string]string, allowed ...string) message.Field {
	text := kind
	for _, name := range slices.Sorted(maps.Keys(params)) {
		one := strings.TrimPrefix(mime.FormatMediaType(kind, map[string]string{name: params[name]}), kind+"; ")
		if slices.Contains(allowed, name) && one != "" && len(one) < maxParam {
			text += ";\r\n\t" + one
		}
	}
	was, before, err := mime.ParseMediaType(f.Value())
	if now, after, _ := mime.ParseMediaType(strings.ReplaceAll(text, "\r\n", "")); err == nil && now == was && maps.Equal(before, after) {
		return f
	}
	return message.New(f.Name, text)
}
