package tor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                                 nil,
		"   ":                              nil,
		"a  b ":                            {"a", "b"},
		`A=1 B="x y"`:                      {"A=1", "B=x y"},
		`"unix:/a b" "127.0.0.1:9"`:        {"unix:/a b", "127.0.0.1:9"},
		`S="a \"b\" \\ \t\n\r\'\101\0\q"`:  {"S=a \"b\" \\ \t\n\r'A\x00q"},
		`""`:                               {""},
		`SUMMARY="Loading descriptors" X=`: {"SUMMARY=Loading descriptors", "X="},
	} {
		if got, err := splitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("splitWords(%q) = %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`"`, `a="b`, `a="b\`, `"\777"`, `x "`} {
		if got, err := splitWords(line); err == nil {
			t.Errorf("splitWords(%q) = %q", line, got)
		}
	}
}

// quote writes s as tor does.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay"`)
	f.Add(`a="\\\"" "\303\266"`)
	f.Fuzz(func(t *testing.T, text string) {
		if words, err := splitWords(text); err == nil && len(words) > len(text) {
			t.Fatalf("%d words in %q", len(words), text)
		}
		words, err := splitWords("KEY=" + quote(text) + " END")
		if err != nil || len(words) != 2 || words[0] != "KEY="+text || words[1] != "END" {
			t.Fatalf("%q came back as %q, %v", text, words, err)
		}
		if p := plain(text); !utf8.ValidString(p) || strings.ContainsAny(p, "\n\r\x1b\x00") || len(p) > 3*textBytes {
			t.Fatalf("plain(%q) = %q", text, p)
		}
	})
}
