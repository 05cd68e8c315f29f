package blocklist

import (
	"slices"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) (names []string, c Counts) {
	t.Helper()
	c, err := Parse(strings.NewReader(text), func(name string, exception bool) {
		if exception {
			name = "@" + name
		}
		names = append(names, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, c
}

func TestForms(t *testing.T) {
	for text, want := range map[string]string{
		"0.0.0.0 ads.example":                           "ads.example",
		"127.0.0.1\tAds.Example.  # why":                "ads.example",
		":: a.example b.example":                        "a.example b.example",
		"\xef\xbb\xbfads.example\r\n":                   "ads.example",
		"||ads.example^":                                "ads.example",
		"@@||good.example^":                             "@good.example",
		"_dmarc.ads.example":                            "_dmarc.ads.example",
		"# a\n! b\n[Adblock Plus 2.0]\n\n":              "",
		"192.0.2.1 ads.example":                         "", // it leads somewhere
		"||ads.example^$third-party":                    "", // on some pages only
		"||ads.example/banner^":                         "",
		"ads.example##.banner":                          "", // it hides a part of a page
		"/ads[0-9]+/":                                   "",
		"com":                                           "",
		"||com^":                                        "",
		"203.0.113.7":                                   "",
		"127.0.0.1 localhost":                           "",
		"x.home.arpa":                                   "",
		"@@||x.onion^":                                  "",
		"two words.example":                             "",
		"<a href=https://x.example>":                    "",
		"a..example":                                    "",
		strings.Repeat("a", 64) + ".example":            "",
		strings.Repeat("a.", 130) + "example":           "",
		strings.Repeat("x ", maxLine) + "\nads.example": "ads.example",
	} {
		names, _ := parse(t, text)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%.60q: %q, want %q", text, got, want)
		}
	}
	_, c := parse(t, "0.0.0.0 a.example localhost\n@@||b.example^\n/x/\n# no\n"+strings.Repeat("x", 3*maxLine)+"\nc.example")
	if c != (Counts{Names: 2, Exceptions: 1, Ignored: 3}) {
		t.Errorf("counted %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0.0.0.0 ads.example # x\n||a.example^\n@@||b.example^\n")
	f.Fuzz(func(t *testing.T, text string) {
		names, c := parse(t, text)
		if len(names) != c.Names+c.Exceptions {
			t.Errorf("%d names, counted %+v", len(names), c)
		}
		for _, name := range names {
			name = strings.TrimPrefix(name, "@")
			if !strings.Contains(name, ".") || len(name) > maxName || slices.Contains(strings.Split(name, "."), "") {
				t.Errorf("%q is no name", name)
			}
		}
	})
}
