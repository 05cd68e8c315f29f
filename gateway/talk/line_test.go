package talk

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"
)

// linesOf reads all lines.
func linesOf(t testing.TB, r io.Reader) (list []string) {
	t.Helper()
	lines := newLines(r)
	for {
		line, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, line)
	}
}

// Nothing that a friend sends steers a terminal; what people write stays as it is.
func TestLines(t *testing.T) {
	for in, want := range map[string]string{
		"hello\nhow are you?\r\nfine":             "hello|how are you?|fine",
		"\n\r\n \n":                               " ",
		"a\tb\u00a0c\u3000d\n":                    "a b c d",
		"straße \U0001f469\u200d\U0001f467 你好\n":  "straße \U0001f469\u200d\U0001f467 你好",
		"\x1b[31mred\x1b[0m\n":                    "red",
		"\x1b[2J\x1b[H\x1b[?1049hgone\n":          "gone",
		"\x1b]0;title\abehind\n":                  "behind",
		"\x1b]52;c;cm0gLXJm\x1b\\behind\n":        "behind",
		"\x1bP1$r0m\x1b\\a\x1b_b\x1b\\c\n":        "ac",
		"\x1b(0a\x1bcb\x1b\x1b[31mc\n":            "abc",
		"\u009b31mred\u009d0;t\u009cb\u0085c\n":   "redbc",
		"\x9b31m\xff\n":                           "?31m?",
		"\x1b]never ends\nnext\n":                 "next",
		"\x1b[31":                                 "",
		"a\x00b\ac\bd\x7fe\rf\n":                  "abcdef",
		"\u202eevil\u2066x\u200ey\u2028z\ufeff\n": "evilxyz",
		"\x1b[3\u00e91m\x1b\u00e9\n":              "\u00e91m\u00e9",
	} {
		if got := strings.Join(linesOf(t, strings.NewReader(in)), "|"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if got := strings.Join(linesOf(t, iotest.OneByteReader(strings.NewReader(in))), "|"); got != want {
			t.Errorf("%q, byte by byte: %q, want %q", in, got, want)
		}
	}
}

// A line of a megabyte is many lines, of which nothing is missing.
func TestLongLine(t *testing.T) {
	in := strings.Repeat("ä", 500_000)
	list := linesOf(t, strings.NewReader(in))
	for _, line := range list {
		if len(line) > maxLine {
			t.Fatalf("%d bytes", len(line))
		}
	}
	if strings.Join(list, "") != in {
		t.Error("something is missing")
	}
}

// Whatever comes, lines are bounded, printable and stay as they are when they are read again.
func FuzzLines(f *testing.F) {
	f.Add([]byte("hello\r\n\x1b[31mred\x1b]0;t\a\u202e\x9b\n"))
	f.Add([]byte(strings.Repeat("ä\x1b", maxLine)))
	f.Fuzz(func(t *testing.T, in []byte) {
		list := linesOf(t, strings.NewReader(string(in)))
		for _, line := range list {
			if line == "" || len(line) > maxLine || !utf8.ValidString(line) {
				t.Fatalf("%q of %q", line, in)
			}
			for _, r := range line {
				if !unicode.IsPrint(r) && r != joiner && r != nonJoiner {
					t.Fatalf("%q holds %U", line, r)
				}
			}
		}
		if again := linesOf(t, strings.NewReader(strings.Join(list, "\n"))); strings.Join(again, "\n") != strings.Join(list, "\n") {
			t.Fatalf("%q, again: %q", list, again)
		}
	})
}
