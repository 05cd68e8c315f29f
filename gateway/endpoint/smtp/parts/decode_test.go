package parts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tunic/gateway/endpoint/smtp/message"
)

// Readers of mail go on after what is no valid text, and so is it looked at.
func TestDecoders(t *testing.T) {
	for _, tt := range []struct{ encoding, text, want string }{
		{"base64", "aGVs\r\nbG8=\r\n", "hello"},
		{"base64", "aG.V s-bG8", "hello"},
		{"base64", "aGVsbG8=d29ybGQ=", "helloworld"},
		{"base64", "/+8A", "\xff\xef\x00"},
		{"base64", "YQ==Yg", "ab"},
		{"quoted-printable", "a=3Db=\r\nc \t\r\nd", "a=bc\r\nd"},
		{"quoted-printable", "=c3=A4 =G1=1G = x=4", "\xc3\xa4 =G1=1G = x=4"},
		{"quoted-printable", "a=  \r\nb", "ab"},
		{"quoted-printable", "=41", "A"},
	} {
		var b bytes.Buffer
		decoder(tt.encoding, &b).Write([]byte(tt.text))
		if b.String() != tt.want {
			t.Errorf("%s: %q became %q, want %q", tt.encoding, tt.text, b.String(), tt.want)
		}
	}
	if decoder("7bit", nil) != nil {
		t.Error("7bit is decoded")
	}
}

// What was encoded is decoded again, and ends a line.
func TestEncodings(t *testing.T) {
	for _, encoding := range []string{"", "base64", "quoted-printable"} {
		for _, text := range []string{"x\r\n", "<a href=\"cid:1@x\">" + strings.Repeat("ä ", 100), strings.Repeat("y", 57*2)} {
			raw := encode([]byte(text), encoding)
			got := bytes.NewBuffer(nil)
			if w := decoder(encoding, got); w != nil {
				w.Write(raw)
			} else {
				got.Write(raw)
			}
			if strings.TrimSuffix(got.String(), "\r\n") != strings.TrimSuffix(text, "\r\n") || !bytes.HasSuffix(raw, []byte("\r\n")) {
				t.Errorf("%q as %q became %q", text, encoding, got)
			}
			for line := range bytes.Lines(raw) {
				if len(line) > 78 && encoding != "" {
					t.Errorf("a line of %s has %d bytes", encoding, len(line))
				}
			}
		}
	}
}

// A field of a part that tells of an onion is refused, also in its parameters.
func TestTellingFields(t *testing.T) {
	for _, field := range []string{
		"Content-Description: of " + key, "Content-Type: text/plain; name=\"" + key + "\"",
		"Content-Disposition: attachment; filename*0=" + key[:20] + "; filename*1=" + key[20:],
		fmt.Sprintf("Content-Disposition: attachment; filename*=us-ascii''%%%02x%s", key[0], key[1:]),
	} {
		if left, err := rewrite(field + "\r\n\r\nx\r\n"); !errors.As(err, new(*Error)) ||
			!strings.Contains(err.Error(), "the field Content-") {
			t.Errorf("%q: %v, %q", field, err, left)
		}
	}
}

// However many names a mail has, they are not all held.
func TestTooManyPictures(t *testing.T) {
	var folded, shown strings.Builder
	for i := range maxPictures + 1 {
		fmt.Fprintf(&folded, " <%d>\r\n", i)
		fmt.Fprintf(&shown, "<img src=cid:%d@laptop>\r\n", i)
	}
	for name, text := range map[string]string{"in a field": "\r\nContent-ID:\r\n" + folded.String(),
		"in a page": "Content-Type: text/html\r\n\r\n" + shown.String()} {
		if _, err := rewrite(text); !errors.Is(err, errShape) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Names of pictures change together, in each place, and only where they have to.
func TestPictures(t *testing.T) {
	const head = "Content-Type: multipart/related; boundary=b; start=\"<page@laptop>\"\r\n\r\n--b\r\nContent-ID: <page@laptop>\r\n" +
		"Content-Type: text/html\r\n\r\n"
	left, err := rewrite(head + "<img src=cid:1@laptop><img src=CID:one%40two%26three@laptop><img src='cid:a&amp;b@laptop'><img " +
		"src=\"cid:c&#64;laptop\"> (cid:7) cid:gone@laptop cid:1@x.example\r\n" +
		"--b\r\ncontent-id:\r\n <1@laptop>\r\n\r\n--b\r\nContent-ID: <logo>\r\n\r\n--b\r\nContent-ID: <1@x.example>\r\n\r\n--b\r\n" +
		"Content-ID: <c@laptop>\r\n\r\n--b--\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(left, "laptop") || strings.Contains(left, "logo") {
		t.Errorf("left: %s", left)
	}
	for word, want := range map[string]int{"@provider.example": 10, "cid:1@x.example": 1, "<1@x.example>": 1, "(cid:7)": 1} {
		if n := strings.Count(left, word); n != want {
			t.Errorf("%q is there %d times, want %d: %s", word, n, want, left)
		}
	}
	ids := bracketed().FindAllStringSubmatch(left, -1)
	if len(ids) != 6 || ids[0][1] != ids[1][1] {
		t.Fatalf("identifiers: %q", ids)
	}
	for _, id := range []string{ids[2][1], ids[5][1]} {
		if strings.Count(left, "cid:"+id) != 1 {
			t.Errorf("%s is not what the page shows", id)
		}
	}
	// A field that is as it may be keeps its folds.
	if left, err := rewrite("MIME-Version:\r\n 1.0\r\nContent-ID:\r\n <1@x.example>\r\n\r\n"); err != nil ||
		!strings.HasPrefix(left, "MIME-Version:\r\n 1.0\r\nContent-ID:\r\n <1@x.example>\r\n") {
		t.Errorf("%q, %v", left, err)
	}
}

// Parts below each other, a digest and an attached mail, have the rules of all.
func TestPartsBelow(t *testing.T) {
	left, err := rewrite("Content-Type: multipart/mixed; boundary=a\r\n\r\npre\r\n--a\r\nX-Host: nas\r\nContent-Type: multipart/digest; " +
		"boundary=b\r\n\r\n--b \r\n\r\nReceived: by nas\r\nSubject: s\r\n\r\nhi\r\n" +
		"--b\r\nX-Y: z\r\nContent-Type: text/plain\r\n\r\nho\r\n--b--\r\n--a--\t\r\npost\r\n")
	if err != nil || strings.Contains(left, "nas") || strings.Contains(left, "X-Y") {
		t.Fatalf("%q, %v", left, err)
	}
	for _, word := range []string{"pre\r\n--=_", "\r\n\r\nSubject: s\r\n\r\nhi\r\n--=_", "Content-Type: text/plain\r\n\r\nho\r\n--=_",
		"--\r\npost\r\n"} {
		if !strings.Contains(left, word) {
			t.Errorf("%q is not in %q", word, left)
		}
	}
	for _, text := range []string{
		"Content-Type: multipart/mixed\r\n\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\n--b--\r\n",
		"Content-Type: message/global\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nS: x\r\n\r\n",
		"Content-Transfer-Encoding: uuencode\r\n\r\n", "Content-Type: /\r\n\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno header\r\n--b--\r\n",
		"Content-Type: message/rfc822\r\n\r\nno header\r\n\r\n",
		strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 30) + "Subject: x\r\n\r\n",
		"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nX-Host: nas\r\n\r\nx\r\n--b--\r\n",
		"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\ncid:1@laptop\r\n--b--\r\n",
	} {
		if left, err := rewrite(text); !errors.As(err, new(*Error)) {
			t.Errorf("%q left as %q, %v", text, left, err)
		}
	}
	if _, err := rewrite(strings.Repeat("Content-Type: message/rfc822\r\n\r\n", maxDepth-1) + "Subject: x\r\n\r\n"); err != nil {
		t.Errorf("%d mails in each other: %v", maxDepth, err)
	}
}

// A refusal of an attached mail's header is the refusal of the whole.
func TestAttachedHeaderIsRefused(t *testing.T) {
	no := errors.New("no")
	r := rules
	r.Header = func(message.Header) (message.Header, error) { return nil, no }
	body := "Subject: x\r\n\r\n"
	h := message.Header{message.New("Content-Type", mail)}
	if _, err := r.Rewrite(new(bytes.Buffer), h, opens(body)); !errors.Is(err, no) {
		t.Error(err)
	}
	if _, err := r.Rewrite(new(bytes.Buffer), h, failsToOpen(no, 0)); !errors.Is(err, no) {
		t.Error(err)
	}
	if _, err := r.Rewrite(new(bytes.Buffer), h, failsToOpen(no, 1)); !errors.Is(err, no) {
		t.Error(err)
	}
}
