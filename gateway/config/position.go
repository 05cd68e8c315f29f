package config

import (
	"fmt"

	"github.com/pelletier/go-toml/v2/unstable"
)

// position is a place in a file, both counted from 1. The zero value means
// that the place is not known.
type position struct{ line, column int }

// positions knows where each key of a document stands, by its dotted path:
// "socks.port", "dns.forward[0].domain", and for the elements of a list, where
// that is known, "household.interfaces[1]".
type positions map[string]position

// findPositions reads a document that go-toml has accepted.
func findPositions(text []byte) positions {
	f := finder{at: make(positions), lists: make(map[string]int)}
	f.parser.Reset(text)
	table := ""
	for f.parser.NextExpression() {
		switch e := f.parser.Expression(); e.Kind {
		case unstable.Table:
			table = f.path("", e.Key())
		case unstable.ArrayTable:
			list := f.path("", e.Key())
			table = fmt.Sprintf("%s[%d]", list, f.lists[list])
			f.lists[list]++
			f.at[table] = f.at[list]
			delete(f.at, list) // each element has a place of its own
		case unstable.KeyValue:
			f.keyValue(table, e)
		}
	}
	return f.at
}

type finder struct {
	parser unstable.Parser
	at     positions
	lists  map[string]int // elements seen of each [[list]]
}

// path joins the parts of a key to prefix and notes where each part stands.
func (f *finder) path(prefix string, key unstable.Iterator) string {
	for key.Next() {
		n := key.Node()
		if i := f.lists[prefix]; i > 0 { // [list.key] after [[list]]: in its last element
			prefix = fmt.Sprintf("%s[%d]", prefix, i-1)
		}
		prefix = join(prefix, string(n.Data))
		f.note(prefix, n.Raw)
	}
	return prefix
}

func (f *finder) note(path string, r unstable.Range) {
	start := f.parser.Shape(r).Start
	f.at[path] = position{start.Line, start.Column}
}

func (f *finder) keyValue(table string, n *unstable.Node) {
	f.value(f.path(table, n.Key()), n.Value())
}

func (f *finder) value(path string, n *unstable.Node) {
	children := n.Children()
	switch n.Kind {
	case unstable.InlineTable:
		for children.Next() {
			if c := children.Node(); c.Kind == unstable.KeyValue {
				f.keyValue(path, c)
			}
		}
	case unstable.Array:
		for i := 0; children.Next(); {
			c := children.Node()
			if c.Kind == unstable.Comment {
				continue
			}
			element := fmt.Sprintf("%s[%d]", path, i)
			f.at[element] = f.at[path]
			if c.Raw.Length > 0 {
				f.note(element, c.Raw)
			}
			f.value(element, c)
			i++
		}
	}
}

// join adds a key to a path. A key that is no bare key is quoted, so that a
// dot in it is not taken for a path.
func join(path, key string) string {
	if !isBare(key) {
		key = fmt.Sprintf("%q", key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func isBare(key string) bool {
	for _, c := range []byte(key) {
		bare := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
		if !bare {
			return false
		}
	}
	return key != ""
}
