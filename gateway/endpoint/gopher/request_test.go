package gopher

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadRequest(t *testing.T) {
	long := strings.Repeat("a", maxRequest-2)
	tests := []struct {
		name, sent string
		want       request
		err        error
	}{
		{"selector", "/a b\r\n", request{selector: "/a b", words: ""}, nil},
		{"only LF", "/a\n", request{selector: "/a", words: ""}, nil},
		{"words", "/s\tred onion\r\n", request{selector: "/s", words: "red onion"}, nil},
		{"words and Gopher+", "/s\tred onion\t+\r\n", request{selector: "/s", words: "red onion"}, nil},
		{"Gopher+", "/s\t+\r\n", request{selector: "/s", words: ""}, nil},
		{"Gopher+ about a menu", "/s\t$\r\n", request{selector: "/s", plus: true}, nil},
		{"Gopher+ ask", "/s\t!+ADMIN\t1\r\n", request{selector: "/s", words: "!+ADMIN"}, nil},
		{"what follows is not read", "/a\r\n/b\r\n", request{selector: "/a", words: ""}, nil},
		{"the visitor closed", "/a", request{selector: "/a", words: ""}, nil},
		{"longest", long + "\r\n", request{selector: long, words: ""}, nil},
		{"too long", long + "a\r\n", request{}, errRequest},
		{"endless", strings.Repeat("a", 1<<20), request{}, errRequest},
		{"CR inside", "/a\rb\r\n", request{}, errRequest},
		{"NUL", "/a\x00\r\n", request{}, errRequest},
		{"nothing", "", request{}, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.sent), iotest.OneByteReader(strings.NewReader(tt.sent))} {
				got, err := readRequest(r)
				if !errors.Is(err, tt.err) || got != tt.want {
					t.Errorf("readRequest(%.40q) = %+v, %v; want %+v, %v", tt.sent, got, err, tt.want, tt.err)
				}
			}
		})
	}
	broken := errors.New("broken")
	if _, err := readRequest(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("readRequest of a broken connection = %v", err)
	}
}

// menuLine is what every line of a menu for the friend must look like.
var menuLine = regexp.MustCompile(`^[0-9A-Za-z+][^\t\r\n\x00-\x1f]*\t[^\t\r\n\x00-\x1f]*\tfriend\.onion\t70$`)

func FuzzRequest(f *testing.F) {
	s := newServer(f, map[string]string{
		"a.txt": "a\n", "d/b.txt": "b\n", "m/gophermap": "hello\n0x\t\n", ".secret": "SECRET\n", "out": "-> /etc",
	})
	for _, sent := range []string{"\r\n", "/a.txt\r\n", "/d\t+\r\n", "/search\ta b\r\n", "/m\r\n", "URL:http://x/\r\n", "../..\r\n",
		"/.secret\r\n", "\x00\r\n", "out/passwd\n"} {
		f.Add(sent)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		if !strings.Contains(sent, "\n") {
			sent += "\n"
		}
		answer := ask(t, s, friend, sent)
		switch {
		case strings.Contains(answer, "SECRET") || strings.Contains(answer, "root:"):
			t.Fatalf("request %q got out: %q", sent, answer)
		case answer == "a\r\n.\r\n" || answer == "b\r\n.\r\n" || strings.HasPrefix(answer, "<!DOCTYPE html>\n"):
			return
		case strings.HasPrefix(answer, "+-1\r\n+INFO: "): // Gopher+ attributes, which TestAnswers reads
			return
		}
		menu, ended := strings.CutSuffix(answer, ".\r\n")
		if !ended {
			t.Fatalf("answer to %q has no end: %q", sent, answer)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(menu, "\r\n"), "\r\n") {
			if line != "" && !menuLine.MatchString(line) {
				t.Errorf("answer to %q has the line %q", sent, line)
			}
		}
	})
}
