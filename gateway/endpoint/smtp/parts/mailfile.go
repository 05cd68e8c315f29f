package parts

import (
	"bytes"
	"mime"
	"regexp"
	"slices"
	"strings"
	"sync"

	"tunic/gateway/endpoint/smtp/message"
)

var errMailFile = refuse("a file that is attached to this mail is itself a mail, which this box cannot look into as a file: " +
	"forward that mail as an attachment, or send its text")

// mailKinds are kinds, beside message/, with mails or headers of mails in them
// that are not read here.
var mailKinds = []string{"text/rfc822", "text/rfc822-headers", "application/rfc822", "application/mbox", "application/x-mimearchive",
	"application/vnd.ms-outlook", "application/ms-tnef", "application/vnd.ms-tnef"}

// mailName is how the names of files end that mail programs write mails into.
var mailName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(\.(eml|emlx|mbox|mbx|mht|mhtml|msg|nws|oft|ost|pst|tnef)|winmail\.dat)["'.\s]*$`)
})

// named learns what a field of a part calls the part as a file.
func (p *part) named(f message.Field) {
	kind, params, err := mime.ParseMediaType(f.Value())
	p.attached = p.attached || kind == "attachment"
	names := []string{params["name"], params["filename"]}
	if err != nil { // other readers find a name in it all the same, up to the end of a parameter
		names = strings.Split(f.Value(), ";")
	}
	for _, name := range names {
		if decoded, err := words.DecodeHeader(name); err == nil { // RFC 2047, which many use there
			name = decoded
		}
		p.attached = p.attached || name != "" && err == nil
		p.mailFile = p.mailFile || mailName().MatchString(name)
	}
}

var words mime.WordDecoder

// file reports whether a part is one for its readers, and not the text of the mail
// that its sender has before their eyes.
func (p part) file() bool { return p.attached || p.kind != plain && p.kind != html }

// maxBeginning is how much of a file is read to see whether it is a mail.
const maxBeginning = 32 << 10

// beginning keeps the beginning of what is written to it.
type beginning struct{ text []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), maxBeginning-len(b.text))]...)
	return len(p), nil
}

// headerLine is a field of a header (RFC 5322, section 3.6.8), as far as it says something here.
var headerLine = regexp.MustCompile(`^([!-9;-~]+)[ \t]*:(.*)`)

// isMail reports whether the text begins with a header that a server or a mail
// program wrote, or with one that has parts or an encoding behind it. It may follow
// empty lines and what files of mails have before it: "From " and the time, or the
// number of the mail's bytes. A patch as git writes it has none of those fields.
func (b *beginning) isMail() bool {
	text := b.text
	if end := bytes.LastIndexByte(text, '\n'); len(text) == maxBeginning && end >= 0 {
		text = text[:end+1] // the last line may not be whole
	}
	text = bytes.TrimPrefix(bytes.ReplaceAll(text, []byte{0}, nil), []byte("\ufeff"))
	text = bytes.TrimLeft(bytes.TrimLeft(text, "\xff\xfe"), " \t\r\n")
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	if bytes.HasPrefix(first, []byte("From ")) || len(bytes.Trim(first, "0123456789 \r")) == 0 {
		text = rest
	}
	telling, begun := false, false
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		field := headerLine.FindSubmatch(line)
		switch {
		case len(line) == 0:
			return telling
		case begun && (line[0] == ' ' || line[0] == '\t'):
		case field == nil:
			return false
		default:
			begun = true
			telling = telling || tellingField(strings.ToLower(string(field[1])), strings.ToLower(string(field[2])))
		}
	}
	return telling
}

// tellingField reports whether a text with this field in its beginning is a mail.
func tellingField(name, value string) bool {
	switch value = strings.TrimSpace(value); name {
	case "content-type":
		return strings.HasPrefix(value, "multipart/") || strings.HasPrefix(value, "message/")
	case "content-transfer-encoding":
		return value == "base64" || value == "quoted-printable"
	}
	return slices.Contains([]string{"received", "return-path", "delivered-to", "message-id"}, name)
}
