package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// document is one parsed file and the mistakes found in it so far. Its tables
// are read key by key, so that a wrong type in one key hides no other mistake.
type document struct {
	file string
	at   positions
	errs Errors
}

// parseDocument returns the document and its top table, which is empty if the
// text is not TOML.
func parseDocument(file string, text []byte) (*document, *table) {
	d := &document{file: file}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // some editors begin UTF-8 so (RFC 3629, section 6)
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		d.errs = append(d.errs, Error{File: file, Line: 1, Msg: "it is UTF-16", Hint: "save it as UTF-8"})
		return d, &table{doc: d, broken: true}
	}
	values := make(map[string]any)
	if err := toml.Unmarshal(text, &values); err != nil {
		d.syntax(text, err)
		return d, &table{doc: d, broken: true}
	}
	d.at = findPositions(text)
	return d, &table{doc: d, values: values}
}

// syntax notes that a text is not TOML, with the place and what is expected there.
func (d *document) syntax(text []byte, err error) {
	e := Error{File: d.file, Msg: strings.TrimPrefix(err.Error(), "toml: ")}
	if de, ok := errors.AsType[*toml.DecodeError](err); ok {
		e.Line, e.Column = de.Position()
		e.Key = strings.Join(de.Key(), ".")
		lines := strings.Split(string(text), "\n")
		p := plain(e.Msg, lines[min(max(e.Line-1, 0), len(lines)-1)], e.Column)
		e.Msg, e.Hint = p.msg, p.hint
		if e.Key == "" {
			e.Msg = fmt.Sprintf("column %d: %s", e.Column, p.msg)
		}
	}
	d.errs = append(d.errs, e)
}

// add notes a mistake in the value at path. If the value is not there, the
// place is the nearest table around it that is.
func (d *document) add(path string, p *problem) {
	where := path
	at, ok := d.at[where]
	for !ok && where != "" {
		where = where[:max(strings.LastIndexAny(where, ".["), 0)]
		at, ok = d.at[where]
	}
	d.errs = append(d.errs, Error{File: d.file, Line: at.line, Column: at.column, Key: path, Msg: p.msg, Hint: p.hint})
}

// table is one table of a document. The getters note a value of another type
// as a mistake and return what is there for a missing key: the zero value and
// false.
type table struct {
	doc    *document
	path   string
	values map[string]any
	known  []string // keys that were asked for
	broken bool     // the text could not be parsed: nothing is missing
}

func (t *table) at(key string) string { return join(t.path, key) }

// add notes a mistake in the value of key.
func (t *table) add(key string, p *problem) { t.doc.add(t.at(key), p) }

// missing notes that a key is required, unless the file could not be read at all.
func (t *table) missing(key, hint string) {
	if !t.broken {
		t.add(key, problemf(hint, "missing"))
	}
}

func (t *table) has(key string) bool {
	_, ok := t.values[key]
	return ok
}

// asked is told of each key that is looked for, with its file. Tests put another
// function here, to know all keys that there are.
var asked = func(file, path string) {}

// get returns the value of key if it is there and of type T.
func get[T any](t *table, key, want string) (T, bool) {
	t.known = append(t.known, key)
	asked(t.doc.file, t.at(key))
	var zero T
	v, ok := t.values[key]
	if !ok {
		return zero, false
	}
	return as[T](t, t.at(key), v, want)
}

func as[T any](t *table, path string, v any, want string) (T, bool) {
	typed, ok := v.(T)
	if !ok {
		t.doc.add(path, problemf("", "must be %s, not %s", want, typeName(v)))
	}
	return typed, ok
}

func (t *table) text(key string) (string, bool)   { return get[string](t, key, "text in quotes") }
func (t *table) boolean(key string) (bool, bool)  { return get[bool](t, key, "true or false") }
func (t *table) integer(key string) (int64, bool) { return get[int64](t, key, "a number") }

// texts calls visit for each text of a list, with the path of its place. It
// returns whether there is a list, and how many elements it has.
func (t *table) texts(key string, visit func(path, text string)) (n int, ok bool) {
	values, ok := get[[]any](t, key, `a list, ["like", "this"]`)
	for i, v := range values {
		path := fmt.Sprintf("%s[%d]", t.at(key), i)
		if s, ok := as[string](t, path, v, "text in quotes"); ok {
			visit(path, s)
		}
	}
	return len(values), ok
}

// table returns the table under key, an empty one if there is none.
func (t *table) table(key string) *table {
	values, _ := get[map[string]any](t, key, fmt.Sprintf("a table, [%s]", t.at(key)))
	return &table{doc: t.doc, path: t.at(key), values: values, broken: t.broken}
}

// tables returns the elements of the list of tables under key.
func (t *table) tables(key string) []*table {
	values, _ := get[[]any](t, key, fmt.Sprintf("a list of tables, [[%s]]", t.at(key)))
	var list []*table
	for i, v := range values {
		path := fmt.Sprintf("%s[%d]", t.at(key), i)
		if m, ok := as[map[string]any](t, path, v, fmt.Sprintf("a table, [[%s]]", t.at(key))); ok {
			list = append(list, &table{doc: t.doc, path: path, values: m})
		}
	}
	return list
}

// finish notes every key that nobody asked for. A key that would do nothing is
// a mistake: it may be one that its writer relies on.
func (t *table) finish() {
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		if !slices.Contains(t.known, key) {
			t.add(key, problemf(didYouMean(key, t.known), "unknown key"))
		}
	}
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	default:
		return "a date or time"
	}
}
