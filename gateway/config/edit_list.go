package config

import (
	"slices"
	"strings"
)

// span is a part of a text, in bytes.
type span struct{ start, end int }

// list is a TOML array of texts as it stands in a file.
type list struct {
	elements []span // with their quotes
	end      int    // of the closing bracket
	start    int    // after the opening bracket
}

// findList finds the array under a key of the top table (TOML 1.0, "Array"). It
// fails for what only a person should change: other values in it, or another
// way to write the key.
func findList(text, key string) (list, error) {
	doc, top := parseDocument("", []byte(text))
	if len(doc.errs) > 0 {
		return list{}, doc.errs
	}
	if _, ok := top.values[key].([]any); !ok {
		return list{}, errByHand
	}
	at := 0
	for range doc.at[key].line - 1 {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	open := strings.IndexByte(text[at:], '[')
	if eq := strings.IndexByte(text[at:], '='); eq < 0 || open < eq {
		return list{}, errByHand
	}
	l := list{start: at + open + 1}
	return scanList(text, l)
}

// scanList goes over the elements up to the closing bracket.
func scanList(text string, l list) (list, error) {
	for i := l.start; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n', ',':
		case '#':
			i += max(strings.IndexByte(text[i:], '\n'), 0)
		case ']':
			l.end = i
			return l, nil
		case '"', '\'':
			end := stringEnd(text, i)
			if end < 0 {
				return list{}, errByHand
			}
			l.elements = append(l.elements, span{i, end})
			i = end - 1
		default:
			return list{}, errByHand
		}
	}
	return list{}, errByHand
}

// stringEnd returns the place after a string of one line that begins at i.
func stringEnd(text string, i int) int {
	quote := text[i]
	for j := i + 1; j < len(text) && text[j] != '\n'; j++ {
		switch {
		case text[j] == '\\' && quote == '"':
			j++
		case text[j] == quote:
			return j + 1
		}
	}
	return -1
}

// addElement puts a text at the end of a list, and makes the list if need be.
func addElement(text, key, element string) (string, error) {
	quoted := `"` + basicString.Replace(element) + `"`
	if _, top := parseDocument("", []byte(text)); !top.has(key) {
		return addLine(text, key+" = ["+quoted+"]"), nil
	}
	l, err := findList(text, key)
	if err != nil {
		return "", err
	}
	if len(l.elements) == 0 {
		return text[:l.start] + quoted + text[l.start:], nil
	}
	last := l.elements[len(l.elements)-1]
	// On a line of its own, if the last one has one.
	begin := strings.LastIndexByte(text[:last.start], '\n') + 1
	if indent := text[begin:last.start]; strings.TrimSpace(indent) == "" {
		return text[:last.end] + ",\n" + indent + quoted + text[last.end:], nil
	}
	return text[:last.end] + ", " + quoted + text[last.end:], nil
}

// cutElement takes the i-th text out of a list. If it has a line of its own,
// the comment behind it goes too.
func cutElement(text, key string, i int) (string, error) {
	l, err := findList(text, key)
	if err != nil || i >= len(l.elements) {
		return "", errByHand
	}
	e := l.elements[i]
	begin := strings.LastIndexByte(text[:e.start], '\n') + 1
	lineEnd := e.end + strings.IndexByte(text[e.end:], '\n')
	rest := strings.TrimLeft(text[e.end:max(lineEnd, e.end)], " \t,")
	if begin > l.start && strings.TrimSpace(text[begin:e.start]) == "" && (rest == "" || rest[0] == '#' || rest[0] == '\r') {
		return text[:begin] + text[lineEnd+1:], nil
	}
	switch {
	case i+1 < len(l.elements):
		return text[:e.start] + text[l.elements[i+1].start:], nil
	case i > 0:
		return text[:l.elements[i-1].end] + text[e.end:], nil
	}
	return text[:e.start] + strings.TrimLeft(text[e.end:], ", "), nil
}

// addLine puts a line of the top table before the first other table.
func addLine(text, added string) string {
	lines := strings.SplitAfter(text, "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "[") })
	if at < 0 {
		at = len(lines)
	}
	before := strings.Join(lines[:at], "")
	if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return before + added + "\n" + strings.Join(lines[at:], "")
}
