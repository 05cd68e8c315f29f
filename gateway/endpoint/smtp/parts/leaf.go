package parts

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"

	"tunic/gateway/endpoint/smtp/address"
)

// maxPage is how long HTML may be to have the names of its pictures changed.
const maxPage = 4 << 20

// leaf writes a part that has no parts. HTML is held until it is whole.
func (x *rewriter) leaf(p part) error {
	look := newLook(p.encoding)
	write := func(text []byte) { x.out.Write(text); look.Write(text) }
	var page bytes.Buffer
	holding := p.kind == html
	for {
		line, ok, err := x.line()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if !holding {
			write([]byte(line))
		} else if page.WriteString(line); page.Len() > maxPage {
			holding = false
			write(page.Bytes())
		}
	}
	if holding {
		text, err := x.page(page.Bytes(), p.encoding)
		if err != nil {
			return err
		}
		write(text)
	}
	switch {
	case look.found():
		return errText
	case p.file() && look.begins.isMail():
		return errMailFile
	}
	return nil
}

// look looks for onions in a text as it is, as it is decoded, with its lines
// unfolded, and in what is armored there (RFC 9580, section 6.2), such as a key with
// its owner's address. It keeps how the decoded text begins.
type look struct {
	io.Writer
	raw, decoded, unfolded, armored address.Finder

	begins beginning
}

func newLook(encoding string) *look {
	l := &look{}
	meant := io.MultiWriter(&unfold{w: &l.unfolded}, &unarmor{to: unbase64{w: &l.armored}}, &l.begins)
	l.Writer = io.MultiWriter(&l.raw, meant)
	if w := decoder(encoding, io.MultiWriter(&l.decoded, meant)); w != nil {
		l.Writer = io.MultiWriter(&l.raw, w)
	}
	return l
}

func (l *look) found() bool {
	return l.raw.Found() || l.decoded.Found() || l.unfolded.Found() || l.armored.Found()
}

// lineBytes are as many as make a line of base64 (RFC 2045, section 6.8).
const lineBytes = 57

// encode is a text for its transfer. It ends in a line end, which a delimiter
// needs before it.
func encode(text []byte, encoding string) []byte {
	var b bytes.Buffer
	switch encoding {
	case "base64":
		for len(text) > 0 {
			n := min(lineBytes, len(text))
			fmt.Fprintf(&b, "%s\r\n", base64.StdEncoding.EncodeToString(text[:n]))
			text = text[n:]
		}
	case "quoted-printable":
		w := quotedprintable.NewWriter(&b)
		w.Write(text)
		w.Close()
	default:
		b.Write(text)
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("\r\n")) {
		b.WriteString("\r\n")
	}
	return b.Bytes()
}
