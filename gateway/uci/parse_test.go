package uci

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"tunic/gateway/config"
)

func TestParse(t *testing.T) {
	const file = `package tunic

# the house
config tunic 'main'
	option enabled '1' # on
	option policy tor
	list network 'lan'
	option quoted "a \"b\" \\ c"
	list network "guest"
	option joined 'it'\''s '"here"
	option lines 'one
two'
	option empty ''
config bypass
`
	got, err := Parse("f", file)
	want := []Section{
		{Type: "tunic", Name: "main", Line: 4, Options: []Option{
			{Name: "enabled", Values: []Value{{"1", 5}}},
			{Name: "policy", Values: []Value{{"tor", 6}}},
			{Name: "network", List: true, Values: []Value{{"lan", 7}, {"guest", 9}}},
			{Name: "quoted", Values: []Value{{`a "b" \ c`, 8}}},
			{Name: "joined", Values: []Value{{"it's here", 10}}},
			{Name: "lines", Values: []Value{{"one\ntwo", 11}}},
			{Name: "empty", Values: []Value{{"", 13}}},
		}},
		{Type: "bypass", Line: 14},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Parse() = %+v, %v\nwant %+v", got, err, want)
	}
}

func TestParseMistakes(t *testing.T) {
	for file, want := range map[string]string{
		"option a 'b'\n":                          `f:1: "a" stands before the first config`,
		"config tunic 'main'\n\n option a":        "f:3: option has 1 words behind it",
		"config tunic 'main'\n option a b c\n":    "f:2: option has 3 words behind it",
		"config tunic 'main'\n option a 'b\n":     "f:2: the text is not closed",
		"config tunic 'main'\n set a 'b'\n":       `f:2: "set" is none of`,
		"config tunic 'main'\n option a b; c d\n": "f:2: a ; outside",
		"config x\n option a 1\n option a 2\n":    `f:3: "a" stands here a second time`,
		"config x\n option a 1\n list a 2\n":      `f:3: "a" stands here a second time`,
		"config x\n list a 1\n option a 2\n":      `f:3: "a" stands here a second time`,
		"config x\n option 'a b' 1\n":             `f:2: "a b" is not the name`,
		"config 'x y'\n":                          "f:1: a section is called",
		"config\n":                                "f:1: config has 0 words",
	} {
		_, err := Parse("f", file)
		if !errors.As(err, new(config.Errors)) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
}

// FuzzParse: whatever a value holds, it comes out of quotes as it went in, and a
// file of anything ends.
func FuzzParse(f *testing.F) {
	f.Add("lan")
	f.Add(`a\"'b # c; "d`)
	f.Fuzz(func(t *testing.T, value string) {
		_, _ = Parse("f", value)
		for _, q := range []string{
			"'" + strings.ReplaceAll(value, "'", `'\''`) + "'",
			`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`,
		} {
			got, err := Parse("f", "config x\n\toption a "+q+"\n")
			if err != nil || got[0].value("a") != value {
				t.Errorf("%q: %+v, %v", value, got, err)
			}
		}
	})
}
