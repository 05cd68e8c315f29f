package page

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tunic/gateway/health"
)

// Each finding there can be has its words in each language, with the commands of the English
// ones, and leads to a room that there is.
func TestFindingsInEachLanguage(t *testing.T) {
	typed := regexp.MustCompile("`[^`]+`")
	commands := func(text string) []string { return slices.Sorted(slices.Values(typed.FindAllString(text, -1))) }
	for _, language := range languages[1:] {
		list := findingWords()[language]
		for _, code := range health.Codes() {
			e, _ := health.Explain(code)
			w := list[code]
			if w.Title == "" || w.Means == "" || w.Action == "" || !slices.Equal(commands(w.Action), commands(e.Action)) {
				t.Errorf("texts/findings.%s.json has to have title, means and action of %s, with the same commands: %+v", language, code, w)
			}
			if strings.Contains(w.Title, "`") {
				t.Errorf("%s: a command in the title: %s", code, w.Title)
			}
		}
		if len(list) != len(health.Codes()) {
			t.Errorf("%s has %d, there are %d", language, len(list), len(health.Codes()))
		}
	}
	for code, name := range findingRooms {
		if _, ok := rooms[name]; !ok || !slices.Contains(health.Codes(), code) {
			t.Errorf("%s leads to %s", code, name)
		}
	}
}

// No text is there twice, of which the last would be shown.
func TestTextsOnce(t *testing.T) {
	files, err := filepath.Glob("texts/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	key := regexp.MustCompile(`(?m)^\s*"([^"]+)":`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, m := range key.FindAllStringSubmatch(string(text), -1) {
			if seen[m[1]] {
				t.Errorf("%s has %s twice", file, m[1])
			}
			seen[m[1]] = true
		}
		if len(seen) < 50 {
			t.Errorf("only %d texts were found in %s", len(seen), file)
		}
	}
}

// A finding is told in the page's language, with the box's own words beside it.
func TestFinding(t *testing.T) {
	f := health.New(health.TargetUnreachable, "photos", "192.168.77.20:80 does not answer")
	en, de := (view{Lang: "en"}).Finding(f), (view{Lang: "de"}).Finding(f)
	if en.Title != f.Text || en.Message != "" || en.Room != "onions" {
		t.Errorf("%+v", en)
	}
	if de.Title != "Das Ziel eines Onions antwortet nicht: photos" || de.Message != f.Text || de.Means == en.Means {
		t.Errorf("%+v", de)
	}
	want := []word{{"run ", false}, {"tunic x", true}, {" now", false}}
	if got := wordsOf("run `tunic x` now"); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}
