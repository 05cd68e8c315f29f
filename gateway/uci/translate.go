package uci

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"tunic/gateway/config"
)

// FirstLine begins a tunic.toml that comes from UCI. A file that begins otherwise
// is its owner's.
const FirstLine = `# From /etc/config/tunic, by "tunic uci", and written there again. Without this line the file is yours.`

// kind is what an option's value becomes.
type kind int

const (
	text     kind = iota // a string
	texts                // a list of strings
	networks             // a list of networks, which become their devices
	truth                // true or false
	ofScript             // true or false, which the service's script reads: no key
)

// option is an option of UCI and the key of tunic.toml that it becomes.
type option struct {
	name  string
	kind  kind
	table string
	key   string
}

// options of the section 'main', in the order of tunic.toml.
var options = []option{
	{"enabled", ofScript, "", ""},
	{"dnsmasq", ofScript, "", ""},
	{"network", networks, "household", "interfaces"},
	{"one_arm", truth, "household", "one-arm"},
	{"policy", text, "household", "default-policy"},
	{"own_traffic", text, "gateway", "own-traffic"},
	{"other_network", networks, "gateway", "other-networks"},
	{"inbound", texts, "gateway", "inbound"},
	{"bridge", texts, "tor", "bridges"},
}

// ofBypass are those of each section of the type bypass.
var ofBypass = []option{
	{"domain", texts, "bypass", "domains"},
	{"prefix", texts, "bypass", "prefixes"},
	{"device", texts, "bypass", "devices"},
}

// place is where something stands in the file of UCI.
type place struct {
	line   int
	option string // "option inbound"; empty for a section
}

// translation is a tunic.toml and where each of its lines comes from.
type translation struct {
	path     string // of the file of UCI
	networks []Section
	lines    []string
	from     map[int]place // by the line of the TOML, from 1
	errs     config.Errors
}

// translate makes the tunic.toml of a box. path is that of the first file in
// mistakes; all of them are in errs.
func translate(path string, tunic, network []Section) *translation {
	t := &translation{path: path, networks: network, from: make(map[int]place), lines: []string{FirstLine, ""}}
	main := t.sections(tunic)
	if main == nil {
		t.errs = append(t.errs, config.Error{File: path, Msg: "there is no section \"config tunic 'main'\"",
			Hint: "config tunic 'main'\n\toption enabled '1'\n\tlist network 'lan'"})
		return t
	}
	t.known(*main, options)
	table := ""
	for _, o := range options {
		given := main.option(o.name)
		if given == nil {
			continue
		}
		if o.table != table {
			table = o.table
			t.line(place{line: main.Line}, "", "["+table+"]")
		}
		t.option(o, *given)
	}
	if main.option("network") == nil {
		t.wrong(place{line: main.Line}, "list network 'lan'", "no network of the household is named: tunic would be in charge of nothing")
	}
	for _, s := range tunic {
		if s.Type == "bypass" {
			t.known(s, ofBypass)
			t.line(place{line: s.Line}, "", "[[bypass]]")
			for _, o := range ofBypass {
				if given := s.option(o.name); given != nil {
					t.option(o, *given)
				}
			}
		}
	}
	return t
}

// sections finds 'main', and refuses what is no section of tunic's.
func (t *translation) sections(all []Section) (main *Section) {
	for i, s := range all {
		switch {
		case s.Type == "bypass":
		case s.Type == "tunic" && s.Name == "main" && main == nil:
			main = &all[i]
		case s.Type == "tunic" && s.Name == "main":
			t.wrong(place{line: s.Line}, "", "the section 'main' stands here a second time")
		default:
			t.wrong(place{line: s.Line}, "there are tunic 'main' and bypass",
				"a section \"%s\" called '%s' means nothing to tunic", s.Type, s.Name)
		}
	}
	return main
}

// known refuses options that are none.
func (t *translation) known(s Section, known []option) {
	for _, o := range s.Options {
		if !slices.ContainsFunc(known, func(k option) bool { return k.name == o.Name }) {
			names := make([]string, len(known))
			for i, k := range known {
				names[i] = k.name
			}
			t.wrong(at(o, o.Values[0]), "there are: "+strings.Join(names, ", ")+"; all else is set in /etc/tunic/tunic.toml",
				"there is no such option")
		}
	}
}

func at(o Option, v Value) place {
	if o.List {
		return place{v.Line, "list " + o.Name}
	}
	return place{v.Line, "option " + o.Name}
}

func (t *translation) wrong(where place, hint, format string, args ...any) {
	t.errs = append(t.errs, config.Error{File: t.path, Line: where.line, Key: where.option, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (t *translation) line(from place, lines ...string) {
	for _, l := range lines {
		t.lines = append(t.lines, l)
		t.from[len(t.lines)] = from
	}
}

// option writes one option as a key.
func (t *translation) option(o option, given Option) {
	first := given.Values[0]
	where := at(given, first)
	list := o.kind == texts || o.kind == networks
	if given.List && !list {
		t.wrong(where, fmt.Sprintf("write option %s '%s'", o.name, first.Text), "it has one value, not a list")
		return
	}
	for _, v := range given.Values {
		if bad := strings.IndexFunc(v.Text, func(r rune) bool { return !unicode.IsPrint(r) }); bad >= 0 {
			t.wrong(at(given, v), "write the value in one line, and type it again", "there is a character that cannot be seen")
			return
		}
	}
	switch {
	case o.kind == truth || o.kind == ofScript:
		value, ok := truths[first.Text]
		if !ok {
			t.wrong(where, "write '1' or '0'", "%q is neither yes nor no", first.Text)
		} else if o.kind == truth {
			t.line(where, o.key+" = "+value)
		}
	case list:
		t.list(o, given)
	default:
		t.line(where, o.key+" = "+quote(first.Text))
	}
}

// truths are the words of OpenWrt's scripts (config_get_bool of base-files).
var truths = map[string]string{
	"1": "true", "on": "true", "true": "true", "yes": "true", "enabled": "true",
	"0": "false", "off": "false", "false": "false", "no": "false", "disabled": "false",
}

func (t *translation) list(o option, given Option) {
	t.line(at(given, given.Values[0]), o.key+" = [")
	var written []string
	for _, v := range given.Values {
		value := v.Text
		if o.kind == networks {
			found, err := device(t.networks, v.Text)
			if err != nil {
				t.wrong(at(given, v), err.Hint, "%s", err.Msg)
				continue
			}
			if value = found; slices.Contains(written, value) {
				continue // two networks on one device, such as lan and an alias of it
			}
		}
		written = append(written, value)
		t.line(at(given, v), "  "+quote(value)+",")
	}
	t.line(at(given, given.Values[len(given.Values)-1]), "]")
}

// quote writes a TOML basic string of text that can be seen.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// text is the file.
func (t *translation) text() []byte { return summed([]byte(strings.Join(t.lines[2:], "\n") + "\n")) }

// told returns the mistakes of a tunic.toml at path as mistakes of the file of UCI;
// those of other files stay as they are.
func (t *translation) told(path string, errs config.Errors) config.Errors {
	told := slices.Clone(errs)
	for i, e := range told {
		if e.File != path {
			continue
		}
		from := t.from[e.Line]
		told[i].File, told[i].Line, told[i].Column = t.path, from.line, 0
		told[i].Key = cmp.Or(from.option, e.Key)
	}
	return told
}
