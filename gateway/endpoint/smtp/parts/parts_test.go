package parts

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"tunic/gateway/endpoint/smtp/address"
	"tunic/gateway/endpoint/smtp/message"
	"tunic/gateway/onion"
)

var key = string(onion.FromPublicKey(make(ed25519.PublicKey, 32)))

var rules = Rules{
	Domain: "provider.example",
	Tells:  func(f message.Field) bool { return address.Mentions(f.Value()) },
	Keep:   func(id string) bool { return strings.HasSuffix(id, "@x.example") },
	Header: func(h message.Header) (message.Header, error) { return leaving(h), nil },
}

// leaving are the fields of a whole mail that leave.
func leaving(h message.Header) (left message.Header) {
	for _, f := range h {
		if f.Is("Subject") || f.Is("MIME-Version") || len(onlyContent(message.Header{f})) > 0 {
			left = append(left, f)
		}
	}
	return left
}

// rewrite rewrites a mail.
func rewrite(text string) (string, error) {
	in := bufio.NewReader(message.Strict(strings.NewReader(text)))
	h, err := message.Read(in)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	h, err = rules.Rewrite(&out, leaving(h), opens(string(body)))
	return h.String() + "\r\n" + out.String(), err
}

// What has nothing to hide leaves byte for byte.
func TestNothingToChange(t *testing.T) {
	for _, text := range []string{
		"Subject: x\r\n\r\nhello\r\n",
		"Subject: x\r\n\r\n",
		"Content-Type: text/html;\r\n charset=\"utf-8\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
			"<a href=3D'cid:1@x.example'>=20 \r\nno =\r\n",
		"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n--\r\n----\r\nbye\r\n",
	} {
		if left, err := rewrite(text); err != nil || left != text {
			t.Errorf("%q became %q, %v", text, left, err)
		}
	}
}

func TestUnreadableFields(t *testing.T) {
	for header, want := range map[string]string{
		"Content-Type: text/plain; charset=utf-8; name=my file.txt\r\n":               "Content-Type: text/plain;\r\n\tcharset=utf-8\r\n",
		"Content-Type: text/plain; charset=utf-8; x-host=nas\r\n":                     "Content-Type: text/plain;\r\n\tcharset=utf-8\r\n",
		"Content-Type: text/plain; name=" + strings.Repeat("n", 2000) + "\r\n":        "Content-Type: text/plain\r\n",
		"Content-Type: text/plain\r\nContent-Type: text/html\r\n":                     "Content-Type: text/plain\r\n",
		"Content-Disposition: attachment; filename=a b\r\n":                           "Content-Disposition: attachment\r\n",
		"Content-Disposition: ???\r\n":                                                "",
		"Content-ID: logo\r\n":                                                        "",
		"MIME-Version: 1.0 (by nas.lan)\r\n":                                          "MIME-Version: 1.0\r\n",
		"Content-Type: multipart/related; boundary=b; start=\"<1@x.example>\"\r\n":    "start=\"<1@x.example>\"\r\n",
		"Content-Type: text/plain; start=\"<1@laptop.lan>\"\r\n":                      "@provider.example>\"\r\n",
		"Content-Type: application/pkcs7-mime; name=smime.p7m; smime-type=x-data\r\n": "smime-type=x-data\r\n",
	} {
		if left, err := rewrite(header + "\r\n\r\n"); err != nil || !strings.HasSuffix(strings.Split(left, "\r\n\r\n")[0]+"\r\n", want) &&
			want != "" || want == "" && !strings.HasPrefix(left, "\r\n") {
			t.Errorf("%q became %q, %v", header, left, err)
		}
	}
}

// A page that is too long to be held tells nothing all the same.
func TestLongPage(t *testing.T) {
	filler := strings.Repeat(strings.Repeat("x", 70)+"\r\n", maxPage/72+1)
	for _, text := range []string{"cid:1@" + key + ".onion\r\n" + filler, filler + "cid:1@" + key + ".onion\r\n"} {
		if _, err := rewrite("Content-Type: text/html\r\n\r\n" + text); !errors.As(err, new(*Error)) {
			t.Errorf("%v", err)
		}
	}
	if left, err := rewrite("Content-Type: text/html\r\n\r\n" + filler); err != nil || !strings.HasSuffix(left, filler) {
		t.Errorf("%d bytes of %d are left, %v", len(left), len(filler), err)
	}
}

// One end is enough for all the parts that are open, and each gets its own.
func TestMissingEnds(t *testing.T) {
	left, err := rewrite("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n" +
		"--ab\r\n\r\nx\r\n--a--\r\n")
	if err != nil || strings.Count(left, "\r\n--=_") != 4 || strings.Count(left, "--\r\n") != 2 {
		t.Errorf("%q, %v", left, err)
	}
	_, err = rewrite("Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\n" +
		"\r\nx\r\n--a\r\n\r\ns\r\n--a--\r\n")
	if !errors.Is(err, errSealed) {
		t.Errorf("signed: %v", err)
	}
}

// opens is a body that is opened as often as one likes.
func opens(body string) func() (io.Reader, error) {
	return func() (io.Reader, error) { return strings.NewReader(body), nil }
}

// failsToOpen is a body that is opened n times.
func failsToOpen(err error, n int) func() (io.Reader, error) {
	return func() (io.Reader, error) {
		if n--; n < 0 {
			return nil, err
		}
		return strings.NewReader("x\r\n"), nil
	}
}

// A body that cannot be read to its end does not leave, at the first time or at
// the second.
func TestUnreadableBody(t *testing.T) {
	broken := errors.New("broken")
	for whole := range 2 {
		n := whole
		_, err := rules.Rewrite(io.Discard, nil, func() (io.Reader, error) {
			if n--; n < 0 {
				return io.MultiReader(strings.NewReader("x\r\n"), iotest.ErrReader(broken)), nil
			}
			return strings.NewReader("x\r\n"), nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("after %d times: %v", whole, err)
		}
	}
}

// Whatever leaves mentions no onion, has no part's field that is not allowed, and
// is a mail that leaves a second time.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{
		"Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n--b\r\nX-Y: z\r\nContent-ID: <1@laptop>\r\n\r\nx\r\n--b--\r\nx\r\n",
		"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			"PGltZyBzcmM9J2NpZDoxQGxhcHRvcCc+\r\n--b\r\nContent-ID: <1@laptop>\r\n\r\n--b--\r\n",
		"Content-Type: multipart/signed; boundary=b\r\n\r\n--b \r\nContent-Type: multipart/mixed; boundary=\"b--\"\r\n\r\n--b--\r\n\r\n" +
			"--b----\r\n--b--\r\n",
		"Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nReceived: x\r\n\r\n--b--\r\n",
		"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<img src=3Dcid:1=40" + key + ".onion>=\r\n",
		"Content-Transfer-Encoding: base64\r\n\r\n" + key + "\r\n",
	} {
		f.Add(strings.ReplaceAll(s, key, "KEY"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		left, err := rewrite(strings.ReplaceAll(text, "KEY", key))
		if err != nil {
			return
		}
		if address.Mentions(left) {
			t.Fatalf("%q mentions an onion: %q", text, left)
		}
		again, err := rewrite(left)
		if err != nil {
			t.Fatalf("%q became %q, which may not leave: %v", text, left, err)
		}
		if strings.Count(again, "\n") != strings.Count(left, "\n") {
			t.Fatalf("%q\nbecame\n%q\nand then\n%q", text, left, again)
		}
	})
}
