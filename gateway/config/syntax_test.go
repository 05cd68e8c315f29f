package config

import (
	"strings"
	"testing"
)

// What people mistype is said with its place, what was expected and what to do.
func TestTyposAreExplained(t *testing.T) {
	for text, want := range map[string]string{
		"[ports]\n80 = 192.168.1.20:80": "x.toml:2: column 13: text needs quotes\n    write 80 = \"192.168.1.20:80\"",
		"[ports]\n80 = nas:80":          "x.toml:2: column 6: text needs quotes\n    write 80 = \"nas:80\"",
		"mac = 02:00:5e:10:00:01":       "x.toml:1: column 14: text needs quotes\n    write mac = \"02:00:5e:10:00:01\"",
		"policy = direct # for films":   "x.toml:1: column 10: text needs quotes\n    write policy = \"direct\"",
		"private = yes": "x.toml:1: column 11: true or false is expected, in small letters\n" +
			"    write private = true",
		"private = True": "x.toml:1: column 11: true or false is expected, in small letters\n" +
			"    write private = true",
		"private = Off, # not yet": "x.toml:1: column 11: true or false is expected, in small letters\n" +
			"    write private = false",
		"private =": "x.toml:1: column 10: a value is expected after the =\n    like this: private = \"text\"",
		"private = true,": "x.toml:1: column 15: there is more on the line after the value\n" +
			"    each key has a line of its own",
		"a = \"b\" c = \"d\"":           "x.toml:1: column 9: there is more on the line after the value\n",
		"a = “b”":                       "x.toml:1: column 5: these quotes are not those of a program\n    write straight ones",
		"a = \"don’t\" b":               "x.toml:1: column 15: there is more on the line after the value\n",
		"clients = [\"alice]":           "x.toml:1: column 19: the text is not closed by the end of its line\n",
		"clients = [\"alice\"":          "x.toml:1: column 19: the list has no end\n    a list ends with a bracket",
		"clients = [\"alice\" \"bob\"]": "x.toml:1: column 20: a comma, or the bracket that ends the list, is expected here\n",
		"interfaces = [\n  br-lan,\n]":  "x.toml:2: column 3: a value is expected here\n    text needs quotes, \"like this\"",
		"[ports\n80 = \"nas:80\"":       "x.toml:1: column 7: the name of a table ends with the brackets that it begins with\n",
		"80: \"nas:80\"":                "x.toml:1: column 3: a = is expected after the key\n",
		"// tv": "x.toml:1: column 1: a key, a [table] or a comment is expected here\n" +
			"    like this: key = \"text\"; a comment begins with #",
		"[ports]\n80 = \"a\"\n[ports]\n443 = 1": "x.toml:3: ports: this table stands here a second time\n" +
			"    write its lines below the first one",
		"a = 1\na = 2":   "x.toml:2: a: it stands here a second time\n    leave out one of the two",
		"a = \"C:\\q\"":  "x.toml:1: column 8: a backslash begins something special in text\n",
		"a = 007":        "x.toml:1: column 5: a number does not begin with 0\n",
		"a = 2026-13-45": "x.toml:1: column 10: this is no date\n",
		"a = \"\"\"b":    "x.toml:1: column 9: the text has no end\n",
		"a = \"\xff\"":   "x.toml:1: column 6: it is not UTF-8\n    save the file as UTF-8",
		"a = 1_":         "x.toml:1: column 6: number must have at least one digit between underscores",
	} {
		last, _ := parseDocument("x.toml", []byte(text)) // some places are a column earlier without the end of the line
		if !strings.Contains(last.errs.Error(), ": "+messageOf(want)) {
			t.Errorf("%q at the end of a file: %v", text, last.errs)
		}
		d, _ := parseDocument("x.toml", []byte(text+"\n"))
		if got := d.errs.Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%q:\n%s\nand not\n%s", text, got, want)
		}
	}
}

// messageOf is the first line of an error without its place.
func messageOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line[strings.LastIndex(line, ": ")+2:]
}

// What may be a secret is not repeated: bridge lines are.
func TestTyposTellNoSecrets(t *testing.T) {
	for _, text := range []string{"bridges = obfs4 192.0.2.1:443 cert=abcdefgh iat-mode=0", "bridges = [obfs4 192.0.2.1:443 cert=abcdefgh]",
		"a = " + strings.Repeat("abcdefgh", 8)} {
		d, _ := parseDocument("x.toml", []byte(text+"\n"))
		if got := d.errs.Error(); !strings.Contains(got, "needs quotes") || strings.Contains(got, "abcdefgh") {
			t.Errorf("%q: %s", text, got)
		}
	}
}
