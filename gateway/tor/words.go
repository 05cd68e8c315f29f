package tor

import (
	"errors"
	"strings"
)

// errQuote is returned for text whose quoting does not follow control-spec.
var errQuote = errors.New("parsing a control line: a quoted string is malformed")

// splitWords splits a line of the control protocol at its spaces and removes
// the quotes of quoted strings, also of those after a "KEY=" (control-spec,
// "Description of notation": QuotedString with C-style escapes).
func splitWords(line string) ([]string, error) {
	var words []string
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		var word strings.Builder
		for line != "" && line[0] != ' ' {
			if line[0] != '"' {
				word.WriteByte(line[0])
				line = line[1:]
				continue
			}
			text, rest, err := unquote(line)
			if err != nil {
				return nil, err
			}
			word.WriteString(text)
			line = rest
		}
		words = append(words, word.String())
	}
	return words, nil
}

// unquote reads the quoted string that s begins with.
func unquote(s string) (text, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			c, n := unescape(s[i+1:])
			if n == 0 {
				return "", "", errQuote
			}
			b.WriteByte(c)
			i += n
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errQuote
}

// unescape returns the byte that the text after a backslash stands for and
// how many bytes it takes, 0 if there is none.
func unescape(s string) (c byte, n int) {
	if s == "" {
		return 0, 0
	}
	switch s[0] {
	case 'n':
		return '\n', 1
	case 't':
		return '\t', 1
	case 'r':
		return '\r', 1
	}
	value := 0
	for n < len(s) && n < 3 && s[n] >= '0' && s[n] <= '7' {
		value = value*8 + int(s[n]-'0')
		n++
	}
	switch {
	case n == 0:
		return s[0], 1 // \" \\ \' and, as tor does, any other
	case value > 0xff:
		return 0, 0
	}
	return byte(value), n
}

// keywords collects the "KEY=VALUE" words.
func keywords(words []string) map[string]string {
	found := make(map[string]string, len(words))
	for _, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok {
			found[key] = value
		}
	}
	return found
}

// textBytes bounds what is kept of a text from tor.
const textBytes = 300

// plain makes a text from tor fit for one line on a person's terminal.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return ' '
		}
		return r
	}, s[:min(len(s), textBytes)])
	return strings.TrimSpace(strings.ToValidUTF8(s, "?"))
}
