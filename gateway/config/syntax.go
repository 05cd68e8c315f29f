package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// slip is a usual mistake in the grammar of TOML. The parser's words for it are
// those of the grammar; these say what was expected, and what to write.
type slip struct {
	said      string // a part of the parser's words
	msg, hint string
}

// slips are looked at in order.
var slips = []slip{
	{"not terminated by", "the text has no end", "text that begins with three quotes ends with three"},
	{"cannot have new lines", "the text is not closed by the end of its line", `text ends with the quote that it begins with: "like this"`},
	{"unterminated", "the text is not closed by the end of its line", `text ends with the quote that it begins with: "like this"`},
	{"array is incomplete", "the list has no end", `a list ends with a bracket: ["one", "two"]`},
	{"expected ',' or ']'", "a comma, or the bracket that ends the list, is expected here", `like this: ["one", "two"]`},
	{"inline table is incomplete", "what { begins has no end", `like this: { key = "text", other = true }`},
	{"expected ',' or '}'", "a comma, or the } that ends it, is expected here", `like this: { key = "text", other = true }`},
	{"to close", "the name of a table ends with the brackets that it begins with",
		"like this, on a line of its own: [household] or [[bypass]]"},
	{"expected '=' after key", "a = is expected after the key", `like this: key = "text"; a comment begins with #`},
	{"at start of key", "a key, a [table] or a comment is expected here", `like this: key = "text"; a comment begins with #`},
	{"is already defined", "it stands here a second time", "leave out one of the two"},
	{"already exists", "this table stands here a second time", "write its lines below the first one"},
	{"invalid escape character", "a backslash begins something special in text", `write \\ for a backslash, or single quotes: 'C:\dir'`},
	{"invalid UTF-8", "it is not UTF-8", "save the file as UTF-8"},
	{"control characters", "there is a character that cannot be seen", "delete the line and type it again"},
	{"carriage return", "there is a character that cannot be seen", "delete the line and type it again"},
	{"leading zeroes", "a number does not begin with 0", `write 7 for the number and "007" for text`},
	{" date", "this is no date", "a date is written so: 2026-11-28T23:00:00Z"},
	{"expected newline", "there is more on the line after the value",
		"each key has a line of its own, without a comma at its end; a comment begins with #"},
	{"value", "a value is expected here", `text needs quotes, "like this"; other values are true, false, numbers and ["lists"]`},
	{"keyword", "a value is expected here", `text needs quotes, "like this"; other values are true, false, numbers and ["lists"]`},
}

// plain says in plain words what the parser has said of a place in a line: of what
// is behind the = of a key by looking at it, of the rest by the parser's words.
func plain(said, line string, column int) *problem {
	if at := strings.IndexByte(line, '='); at >= 0 && (column > at+1 || strings.Contains(said, "end of input")) {
		if p := plainValue(said, strings.TrimSpace(line[:at]), line[at+1:]); p != nil {
			return p
		}
	}
	i := slices.IndexFunc(slips, func(s slip) bool { return strings.Contains(said, s.said) })
	if i < 0 {
		return problemf("", "%s", said)
	}
	return problemf(slips[i].hint, "%s", slips[i].msg)
}

var (
	whole  = regexp.MustCompile(`^(true|false|[+-]?[0-9]+)[\s,;]`)
	number = regexp.MustCompile(`^[+-]?[0-9_.]+$`)
	short  = regexp.MustCompile(`^[A-Za-z0-9.:/@_-]{1,40}$`) // longer ones may be secrets
)

// switches are words of other languages for true and false.
var switches = map[string]string{"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}

// plainValue says what is wrong with the value of a key, nil if that cannot be
// seen by the value alone.
func plainValue(said, key, text string) *problem {
	text, _, _ = strings.Cut(text, "#")
	text = strings.TrimSpace(text)
	word := strings.TrimRight(text, ",;")
	right, isSwitch := switches[strings.ToLower(word)]
	switch {
	case text == "":
		return problemf(`like this: `+key+` = "text", `+key+` = true or `+key+` = ["one", "two"]`, "a value is expected after the =")
	case isSwitch && word != right:
		return problemf("write "+key+" = "+right, "true or false is expected, in small letters")
	case strings.ContainsAny(firstRune(text), "“”„‘’«»"):
		return problemf(`write straight ones: "like this"`, "these quotes are not those of a program")
	case strings.ContainsAny(text[:1], `"'[{`), whole.MatchString(text), number.MatchString(word), strings.Contains(said, " date"):
		return nil
	case short.MatchString(word):
		return problemf("write "+key+` = "`+word+`"`, "text needs quotes")
	}
	return problemf(`like this: `+key+` = "text"`, "text needs quotes")
}

func firstRune(text string) string {
	_, n := utf8.DecodeRuneInString(text)
	return text[:n]
}
