package message

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func parse(text string) (Header, string, error) {
	r := bufio.NewReader(Strict(strings.NewReader(text)))
	h, err := Read(r)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(r)
	return h, string(body), err
}

func TestReadKeepsEveryByte(t *testing.T) {
	const head, body = "From: a@b.example\r\nSubject: one\r\n\t two\r\nX-Odd:no space\r\n", ".\r\n\r\nhello\r\n"
	h, rest, err := parse(head + "\r\n" + body)
	if err != nil || h.String() != head || rest != body {
		t.Fatalf("got %q, %q, %v", h, rest, err)
	}
	if got := h.All("subject")[0].Value(); got != "one\t two" {
		t.Errorf("the subject is %q", got)
	}
	if got := h.Without("SUBJECT", "from").String(); got != "X-Odd:no space\r\n" {
		t.Errorf("without two fields: %q", got)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"no header at all\r\n\r\n":    ErrHeader,
		" folded first: x\r\n\r\n":    ErrHeader,
		"From : a@b.example\r\n\r\n":  ErrHeader,
		"Fröm: a@b.example\r\n\r\n":   ErrHeader,
		"":                            ErrHeader,
		": x\r\n\r\n":                 ErrHeader,
		"From: a@b.example\n\n":       ErrLineEnds,
		"From: a\rb\r\n\r\n":          ErrLineEnds,
		"From: a\r\r\n\r\n":           ErrLineEnds,
		"From: a\r\n\r\nx\n.\nMAIL":   ErrLineEnds,
		"From: a\r\n\r\nx\r\n.\rMAIL": ErrLineEnds,
		"From: a\r\n\r\nx\r":          ErrLineEnds,
		"\n":                          ErrLineEnds,
		"X: " + strings.Repeat("x", maxHeader) + "\r\n\r\n": ErrTooLong,
		strings.Repeat("X: y\r\n", maxFields+2) + "\r\n":    ErrTooLong,
	} {
		if _, _, err := parse(text); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", text, err, want)
		}
	}
}

func TestStrictEndsTheLastLine(t *testing.T) {
	for text, want := range map[string]string{"": "", "x": "x\r\n", "x\r\n": "x\r\n", "x\r\ny": "x\r\ny\r\n"} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(text),
			"by bytes":     iotest.OneByteReader(strings.NewReader(text)),
			"with the end": iotest.DataErrReader(strings.NewReader(text))} {
			got, err := io.ReadAll(Strict(r))
			if err != nil || string(got) != want {
				t.Errorf("%q %s: %q, %v", text, name, got, err)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(Strict(iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestAuthors(t *testing.T) {
	for text, want := range map[string]string{
		"From: \"Bob, B.\" <bob@a.example>\r\n":                   "bob@a.example",
		"From: =?gb2312?q?x?= <bob@a.example>, eve@b.example\r\n": "bob@a.example eve@b.example",
		"From: bob@a.example\r\nFrom: eve@b.example\r\n":          "",
		"From: bob@a.example\r\nfrom: bob@a.example\r\n":          "",
		"Subject: x\r\n":      "",
		"From: nobody\r\n":    "",
		"From:\r\n":           "",
		"From: friends:;\r\n": "",
		"From: bob@a.example\r\n <eve@b.example>\r\n": "",
	} {
		h, _, err := parse(text + "\r\n")
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Authors()
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
