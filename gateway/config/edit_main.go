package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Setting is a key of tunic.toml and the value that it is to have.
type Setting struct {
	Table, Key string
	Value      any // []string, string or bool
}

// TOML is the line of the setting.
func (s Setting) TOML() string { return s.Key + " = " + s.text() }

func (s Setting) text() string {
	switch value := s.Value.(type) {
	case []string:
		all := make([]string, len(value))
		for i, element := range value {
			all[i] = quoted(element)
		}
		return "[" + strings.Join(all, ", ") + "]"
	case string:
		return quoted(value)
	}
	return fmt.Sprint(s.Value)
}

func quoted(text string) string { return `"` + basicString.Replace(text) + `"` }

// decoded is the value as the parser gives it.
func (s Setting) decoded() any {
	list, ok := s.Value.([]string)
	if !ok {
		return s.Value
	}
	values := make([]any, len(list))
	for i, element := range list {
		values[i] = element
	}
	return values
}

// unset reports whether the value is what a missing key means.
func (s Setting) unset() bool {
	list, ok := s.Value.([]string)
	return ok && len(list) == 0 || s.Value == false
}

// Settle gives keys of the text of tunic.toml their values. Everything else in it,
// comments too, stays as it is. What is no TOML is Errors; a key that stands there
// in a way that only a person should change is an error that says so.
func Settle(text string, settings ...Setting) (string, error) {
	for _, s := range settings {
		next, err := s.settle(text)
		if err != nil {
			return "", err
		}
		text = next
	}
	return text, nil
}

func (s Setting) settle(text string) (string, error) {
	doc, top := parseDocument("", []byte(text))
	if len(doc.errs) > 0 {
		return "", doc.errs
	}
	table, _ := top.values[s.Table].(map[string]any)
	old, there := table[s.Key]
	if there && reflect.DeepEqual(old, s.decoded()) || !there && s.unset() {
		return text, nil
	}
	var next string
	if there {
		value, ok := valueSpan(text, doc.at[s.Table+"."+s.Key].line, s.Key)
		if !ok {
			return "", s.byHand()
		}
		next = text[:value.start] + s.text() + text[value.end:]
	} else {
		next = s.add(text)
	}
	// The same values but for this one, or it was not understood.
	doc, after := parseDocument("", []byte(next))
	if table == nil {
		table = make(map[string]any)
	}
	table[s.Key] = s.decoded()
	if top.values == nil {
		top.values = make(map[string]any)
	}
	top.values[s.Table] = table
	if len(doc.errs) > 0 || !reflect.DeepEqual(after.values, top.values) {
		return "", s.byHand()
	}
	return next, nil
}

func (s Setting) byHand() error {
	return fmt.Errorf("[%s] %s stands in tunic.toml in a way that only a person should change: write there: %s", s.Table, s.Key, s.TOML())
}

// oneLineValue is a value in one line: true, false, or a string without escapes.
var oneLineValue = regexp.MustCompile(`^(?:(?:true|false)\b|"[^"\\\n]*"|'[^'\n]*')`)

// valueSpan finds the value of a key in its line: a list, which may go on in
// others, true or false, or a string.
func valueSpan(text string, line int, key string) (span, bool) {
	at := 0
	for range line - 1 {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	assign := regexp.MustCompile(`^[ \t]*` + regexp.QuoteMeta(key) + `[ \t]*=[ \t]*`).FindString(text[at:])
	if assign == "" {
		return span{}, false
	}
	at += len(assign)
	if strings.HasPrefix(text[at:], "[") {
		l, err := scanList(text, list{start: at + 1})
		return span{at, l.end + 1}, err == nil
	}
	word := oneLineValue.FindString(text[at:])
	return span{at, at + len(word)}, word != ""
}

// add puts the line of a key that is missing below the comment that explains it,
// or below the heading of its table, or at the end with a heading.
func (s Setting) add(text string) string {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	lines := strings.SplitAfter(text, "\n")
	heading := slices.IndexFunc(lines, func(line string) bool {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "["+s.Table+"]")
		return ok && (strings.TrimSpace(rest) == "" || strings.HasPrefix(strings.TrimSpace(rest), "#"))
	})
	if heading < 0 {
		if text != "" {
			text += "\n"
		}
		return text + "[" + s.Table + "]\n" + s.TOML() + "\n"
	}
	at := heading
	for i := heading + 1; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), "["); i++ {
		if strings.HasPrefix(lines[i], "#"+s.Key+" =") {
			at = i
			break
		}
	}
	return strings.Join(lines[:at+1], "") + s.TOML() + "\n" + strings.Join(lines[at+1:], "")
}

// Inbounds are the ports of [gateway] inbound as the file has them: "tcp/22".
func (g Gateway) Inbounds() []string {
	list := make([]string, len(g.Inbound))
	for i, port := range g.Inbound {
		list[i] = port.String()
	}
	return list
}

// TCP is how [gateway] inbound names a port of TCP.
func TCP(port uint16) string { return "tcp/" + strconv.Itoa(int(port)) }
