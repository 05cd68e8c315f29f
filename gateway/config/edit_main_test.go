package config

import (
	"strings"
	"testing"
)

func TestSettle(t *testing.T) {
	lan := Setting{"household", "interfaces", []string{"lan0", "wlan0"}}
	arm := Setting{"household", "one-arm", true}
	in := Setting{"gateway", "inbound", []string{"tcp/22"}}
	cases := map[string]struct {
		text string
		set  []Setting
		want string // "" is an error
	}{
		"nothing is there": {"", []Setting{lan, in},
			"[household]\ninterfaces = [\"lan0\", \"wlan0\"]\n\n[gateway]\ninbound = [\"tcp/22\"]\n"},
		"another value, with comments": {"# mine\n[household] # home\ninterfaces = [\"br-lan\", # old\n  'x'] # why\n", []Setting{lan},
			"# mine\n[household] # home\ninterfaces = [\"lan0\", \"wlan0\"] # why\n"},
		"the same value stays as it is written": {"[household]\ninterfaces = [ 'lan0' ,\n'wlan0' ]\n", []Setting{lan},
			"[household]\ninterfaces = [ 'lan0' ,\n'wlan0' ]\n"},
		"below its comment": {"[household]\n\n# words\n#one-arm = false\n\n#default-policy = \"tor\"\n[gateway]\n", []Setting{arm},
			"[household]\n\n# words\n#one-arm = false\none-arm = true\n\n#default-policy = \"tor\"\n[gateway]\n"},
		"a comment of another table": {"[household]\n[gateway]\n#one-arm = false\n", []Setting{arm},
			"[household]\none-arm = true\n[gateway]\n#one-arm = false\n"},
		"true and false": {"[household]\none-arm = false # no\n", []Setting{arm}, "[household]\none-arm = true # no\n"},
		"false is the default": {"[household]\n", []Setting{{"household", "one-arm", false}, {"gateway", "inbound", []string{}}},
			"[household]\n"},
		"a list is emptied": {"[gateway]\ninbound = [\"tcp/22\"]\n", []Setting{{"gateway", "inbound", []string{}}},
			"[gateway]\ninbound = []\n"},
		"a string": {"[household]\ndefault-policy = 'tor' # all\n", []Setting{{"household", "default-policy", "block"}},
			"[household]\ndefault-policy = \"block\" # all\n"},
		"a string with an escape in it": {"[household]\ndefault-policy = \"t\\u006fr\"\n",
			[]Setting{{"household", "default-policy", "block"}}, ""},
		"a string for several lines": {"[household]\ndefault-policy = '''tor'''\n",
			[]Setting{{"household", "default-policy", "block"}}, ""},
		"no end of line":      {"[household]", []Setting{arm}, "[household]\none-arm = true\n"},
		"a dotted key":        {"household.interfaces = [\"a\"]\n", []Setting{lan}, ""},
		"an inline table":     {"household = { interfaces = [\"a\"] }\n", []Setting{lan}, ""},
		"a heading in a text": {"a = '''\n[household]\n'''\n", []Setting{lan}, ""},
		"not TOML":            {"[household\n", []Setting{lan}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Settle(c.text, c.set...)
			if c.want == "" && err == nil || c.want != "" && err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// What the example explains is set where it explains it, and nothing is lost.
func TestSettleExample(t *testing.T) {
	text, err := Settle(Example(), Setting{"household", "interfaces", []string{"lan0"}}, Setting{"household", "one-arm", true},
		Setting{"gateway", "other-networks", []string{"docker0"}}, Setting{"gateway", "inbound", []string{"tcp/22"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"#one-arm = false\none-arm = true\n", "#inbound = []\ninbound = [\"tcp/22\"]\n",
		"#other-networks = []\nother-networks = [\"docker0\"]\n", "interfaces = [\"lan0\"]\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing", part)
		}
	}
	if got, want := strings.Count(text, "\n"), strings.Count(Example(), "\n")+3; got != want {
		t.Errorf("%d lines, not %d", got, want)
	}
}
