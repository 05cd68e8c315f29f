package smtp

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/endpoint/smtp/spool"
)

// leave returns a whole mail as it leaves for the internet.
func (s *sender) leave(t *testing.T, text string) (string, error) {
	t.Helper()
	names := strings.NewReplacer("OWN", s.own, "FRIEND", s.friend, "FORMER", s.former)
	html := b64([]byte(names.Replace(`<p>cid: a word</p><img src='cid:d7a1b1f0-phone'><img src="cid:part1.01%40FRIEND"> (cid:12)`)))
	text = strings.ReplaceAll(names.Replace(text), "HTML64", html)
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	r := bufio.NewReader(strings.NewReader(text))
	h, err := message.Read(r)
	if err == nil {
		h, err = s.cleaned(h)
	}
	if err != nil {
		t.Fatal(err)
	}
	in, out := (&spool.Spool{}).Draft(), (&spool.Spool{}).Draft()
	io.Copy(in, r)
	now := s.door.now()
	if h, err = now.outward(h); err == nil {
		h, err = now.outwardBody(out, h, in)
	}
	body, _ := out.Reader()
	left, _ := io.ReadAll(body)
	return h.String() + "\r\n" + string(left), err
}

// piece is a part without parts, decoded.
type piece struct {
	header map[string][]string
	text   string
}

// pieces reads a mail as others do.
func pieces(t *testing.T, text string) []piece {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return piecesOf(t, m.Header, m.Body)
}

func piecesOf(t *testing.T, header map[string][]string, body io.Reader) (all []piece) {
	t.Helper()
	value := func(name string) string { return strings.Join(header[name], "") }
	kind, params, _ := mime.ParseMediaType(value("Content-Type"))
	if strings.HasPrefix(kind, "multipart/") {
		for r := multipart.NewReader(body, params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return all
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, piecesOf(t, p.Header, p)...)
		}
	}
	switch value("Content-Transfer-Encoding") {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	decoded, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return []piece{{header, string(decoded)}}
}

var shown = regexp.MustCompile(`cid:([^"'\s)]+)`)

// Pictures within a text are still shown by those who get the mail, under names
// that tell nothing; nor does anything else of the parts.
func TestPartsTellNothingOfTheBox(t *testing.T) {
	s := newSender()
	for name, want := range map[string]struct {
		pieces, pictures int
		text             string // of the HTML
	}{
		"thunderbird": {4, 2, "<p>the garden</p>"},
		"apple":       {4, 2, "the gärden<br><img apple-inline="},
		"k9":          {3, 2, "<p>cid: a word</p>"},
	} {
		raw, err := os.ReadFile("testdata/outward/" + name + ".eml")
		if err != nil {
			t.Fatal(err)
		}
		left, err := s.leave(t, string(raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all := pieces(t, left)
		var page string
		ids := map[string]bool{}
		for _, p := range all {
			for field := range p.header {
				if !slices.Contains(append([]string{"Content-Id", "Content-Description", "Content-Language"}, outwardFields...), field) {
					t.Errorf("%s: the field %s left", name, field)
				}
			}
			if strings.HasPrefix(strings.Join(p.header["Content-Type"], ""), "text/html") {
				page = p.text
			}
			if id := p.header["Content-Id"]; len(id) > 0 {
				ids["cid:"+strings.Trim(id[0], "<>")] = true
			}
		}
		if len(all) != want.pieces || !strings.Contains(page, want.text) {
			t.Errorf("%s: %d pieces, with the page %q", name, len(all), page)
		}
		pictures := 0
		for _, id := range shown.FindAllString(page, -1) {
			if ids[id] {
				pictures++
			}
		}
		if pictures != want.pictures || len(ids) != want.pictures {
			t.Errorf("%s: %d of the pictures %v are shown by %q", name, pictures, ids, page)
		}
		for _, p := range append(all, piece{text: left}) {
			for _, word := range []string{s.own[:56], s.friend[:56], "home.arpa", "lan\"", "macbook", "phone", "+0530", "Android",
				"apple-part", "Mac OS", "modification", "Apple-Mail=", "------"} {
				if text := fmt.Sprint(p); strings.Contains(text, word) {
					t.Errorf("%s: the internet learns %q:\n%s", name, word, text)
				}
			}
		}
	}
}

const mixed = "From: Ann <ann@OWN>\nTo: x@internet.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"

// What is said in a text, in whatever it is wrapped, is not changed but refused.
func TestOnionsInPartsAreRefused(t *testing.T) {
	s := newSender()
	key := s.own[:56]
	wide := strings.Join(strings.Split(s.own, ""), "\x00")
	armor := "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n" + b64([]byte("\x98\x33\x04 ann@"+s.own+"\x88")) +
		"\n=Ab1d\n-----END PGP PUBLIC KEY BLOCK-----\n"
	for name, text := range map[string]string{
		"a key":           mixed + "Content-Type: application/pgp-keys\n\n" + armor + "--b--\n",
		"a key in base64": mixed + "Content-Transfer-Encoding: base64\n\n" + b64([]byte(armor)) + "\n--b--\n",
		"a key in a text": mixed + "\nMy key:\n" + armor + "--b--\n",
		"text":            mixed + "\nask ann@OWN\n--b--\n",
		"no parts":        "From: ann@OWN\nTo: x@internet.example\n\nask ann@OWN\n",
		"name of all":     "From: ann@OWN\nTo: x@internet.example\nContent-Type: text/plain; name=OWN\n\nx\n",
		"capitals":        mixed + "\nask " + strings.ToUpper(key) + ".ONION\n--b--\n",
		"petname":         mixed + "\nbob@bea.peer.home.arpa wrote:\n--b--\n",
		"base64":          mixed + "Content-Transfer-Encoding: BASE64\n\n" + b64([]byte("ask ann@"+s.own)) + "\n--b--\n",
		"base64, many lines": mixed + "Content-Transfer-Encoding: base64\n\n" +
			strings.Join(strings.SplitAfter(b64([]byte("ask ann@"+s.own)), "Z"), "\n") + "\n--b--\n",
		"quoted-printable": mixed + "Content-Transfer-Encoding: quoted-printable\n\n" + s.own[:20] + "=\n" + s.own[20:30] +
			fmt.Sprintf("=%02X", s.own[30]) + s.own[31:] + "\n--b--\n",
		"two bytes a letter": mixed + "Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n" +
			b64([]byte(wide)) + "\n--b--\n",
		"attachment": mixed + "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n" +
			b64([]byte(s.friend)) + "\n--b--\n",
		"before the parts": strings.Replace(mixed, "--b", "by OWN\n--b", 1) + "\nx\n--b--\n",
		"behind the parts": mixed + "\nx\n--b--\nby OWN\n",
		"name of a file": mixed + "Content-Disposition: attachment; filename*=utf-8''" + fmt.Sprintf("%%%02x",
			s.own[0]) + s.own[1:] + "\n\nx\n--b--\n",
		"description":          mixed + "Content-Description: of OWN\n\nx\n--b--\n",
		"the mail of a friend": mixed + "Content-Type: message/rfc822\n\nFrom: bob@FRIEND\nSubject: x\n\nx\n--b--\n",
		"its parts": mixed + "Content-Type: message/rfc822\n\nFrom: x@y.example\nContent-Type: multipart/mixed; boundary=c\n" +
			"\n--c\n\nOWN\n--c--\n--b--\n",
		"in a digest": strings.Replace(mixed, "mixed", "digest", 1) + "\nFrom: bob@FRIEND\n\nx\n--b--\n",
		"an encoded mail": mixed + "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" +
			b64([]byte("Received: from laptop.lan\r\n\r\nx")) + "\n--b--\n",
		"encoded parts":    strings.Replace(mixed, "\n\n", "\nContent-Transfer-Encoding: base64\n\n", 1) + "\nx\n--b--\n",
		"unknown encoding": mixed + "Content-Transfer-Encoding: x-uuencode\n\nx\n--b--\n",
		"a piece of a mail": mixed + "Content-Type: message/partial; id=1; number=1; total=2\n\nReceived: from laptop.lan\n\n" +
			"x\n--b--\n",
		"the header of a mail": mixed + "Content-Type: text/rfc822-headers\n\nReceived: from laptop.lan\n--b--\n",
		"no boundary":          strings.Replace(mixed, "boundary=b", "x=b", 1) + "\nx\n",
		"two boundaries":       strings.Replace(mixed, "boundary=b", "boundary=a; boundary=b", 1) + "\nx\n--b--\n",
		"too deep":             mixed + strings.Repeat("Content-Type: multipart/mixed; boundary=b\n\n--b\n", 30) + "\nx\n--b--\n",
		"no header":            mixed + "x\n--b--\n",
		"signed": strings.Replace(mixed, "mixed", "signed", 1) + "Content-Type: text/plain\nX-Host: nas\n\nx\n--b\n\n" +
			"signature\n--b--\n",
		"signed parts": strings.Replace(mixed, "mixed", "signed", 1) +
			"Content-Type: multipart/mixed; boundary=c; protected-headers=v1\nFrom: ann@OWN\n\n--c\n\nx\n--c--\n--b\n\nsignature\n--b--\n",
		"signed, with a picture": strings.Replace(mixed, "mixed", "signed", 1) +
			"Content-Type: text/html\n\n<img src='cid:1@laptop.lan'>\n--b\n\nsignature\n--b--\n",
	} {
		left, err := s.leave(t, text)
		if answer, ok := refusal(err).(*gosmtp.SMTPError); err == nil || !ok || answer.Code != 550 {
			t.Errorf("%s: %v\n%s", name, err, left)
		}
	}
}

// What is signed leaves as it is, or not at all.
func TestSignedPartsStayAsTheyAre(t *testing.T) {
	const signed = "Content-Type: multipart/mixed; boundary=\"c\"\r\n\r\n--c \r\nContent-Type: text/html\r\n\r\n" +
		"<img src=\"cid:1@x.example\">\r\n--c\r\nContent-ID: <1@x.example>\r\n\r\nx\r\n--c--\r\n\r\n"
	left, err := newSender().leave(t,
		strings.Replace(mixed, "mixed", "signed", 1)+signed+"--b\nContent-Type: application/pgp-signature; name=\"s.asc\"\n\nxx\n--b--\n")
	if err != nil || !strings.Contains(left, signed) {
		t.Errorf("%v: %q", err, left)
	}
}

// A mail from the internet may be sent on within another, without the way that
// it took into the house.
func TestAttachedMailTellsNothingOfTheHouse(t *testing.T) {
	left, err := newSender().leave(t, mixed+"Content-Type: message/rfc822\n\nReceived: from laptop.lan\nX-Spam: no\nFrom: y@z.example\n"+
		"Message-ID: <1@z.example>\nReferences: <0@nas.lan>\n"+
		"Date: Sat, 28 Nov 2026 20:00:00 +0530\nSubject: hello\nContent-Type: multipart/mixed; boundary=\"b2\"\n\n--b2\nX-Y: z\n"+
		"Content-Type: text/x\n\nhey\n--b2--\n--b--\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"Received", "X-Spam", "nas.lan", "+0530", "X-Y", "--b"} {
		if strings.Contains(left, word) {
			t.Errorf("the internet learns %q:\n%s", word, left)
		}
	}
	all := pieces(t, left)
	if len(all) != 1 || !strings.Contains(all[0].text, "From: y@z.example\r\nMessage-ID: <1@z.example>") ||
		!strings.Contains(all[0].text, "hey") {
		t.Errorf("the mail is %q", all)
	}
}
