// Package uci turns OpenWrt's configuration of tunic, /etc/config/tunic, into the
// tunic.toml that everything else reads. It knows the basics alone; who wants more
// writes tunic.toml.
//
// The text is parsed here, without the program uci: what a line means is tried by
// tests, and a mistake is told with its line. Do not use the package where there
// is no UCI.
package uci

import (
	"fmt"
	"regexp"
	"strings"

	"tunic/gateway/config"
)

// Section is one "config TYPE 'NAME'" of a file.
type Section struct {
	Type, Name string // Name is empty for a section without one
	Line       int    // from 1
	Options    []Option
}

// Option is one "option NAME 'VALUE'", or all "list NAME 'VALUE'" of a name in the
// order of the file.
type Option struct {
	Name   string
	List   bool
	Values []Value // one, but for a list
}

// Value is what stands in one line.
type Value struct {
	Text string
	Line int // from 1, of its beginning
}

// option returns the option called name, nil if there is none.
func (s Section) option(name string) *Option {
	for i := range s.Options {
		if s.Options[i].Name == name {
			return &s.Options[i]
		}
	}
	return nil
}

// value is the text of an option that is no list, empty without one.
func (s Section) value(name string) string {
	if o := s.option(name); o != nil && !o.List {
		return o.Values[0].Text
	}
	return ""
}

// namePattern is what libuci takes for the names of sections and options, and with
// a hyphen and more for types.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Parse reads a file of UCI, called path in mistakes, as libuci does: words that
// are bare or in quotes, a comment from # to the end of the line. It fails with
// config.Errors, which hold the first mistake.
func Parse(path, text string) ([]Section, error) {
	p := parser{path: path, scanner: scanner{text: text, line: 1}}
	for {
		line := p.line
		words, err := p.statement()
		if err == "" && words == nil {
			return p.sections, nil
		}
		if err == "" {
			err = p.take(words)
		}
		if err != "" {
			if len(words) > 0 {
				line = words[0].Line
			}
			return nil, config.Errors{{File: path, Line: line, Msg: err}}
		}
	}
}

type parser struct {
	scanner
	path     string
	sections []Section
}

// take adds a statement to what was read, or says what is wrong with it.
func (p *parser) take(words []Value) string {
	kind := words[0].Text
	switch {
	case kind == "package" && len(words) == 2: // as `uci export` begins
		return ""
	case kind == "config" && (len(words) == 2 || len(words) == 3):
		s := Section{Type: words[1].Text, Line: words[0].Line}
		if len(words) == 3 {
			s.Name = words[2].Text
		}
		if !namePattern.MatchString(s.Type) || s.Name != "" && !namePattern.MatchString(s.Name) {
			return "a section is called by letters, digits and _"
		}
		p.sections = append(p.sections, s)
		return ""
	case (kind == "option" || kind == "list") && len(words) == 3:
		return p.add(kind == "list", words[1].Text, Value{words[2].Text, words[0].Line})
	case kind == "config" || kind == "option" || kind == "list" || kind == "package":
		return fmt.Sprintf("%s has %d words behind it; a value with spaces is written in quotes: option name 'a value'", kind, len(words)-1)
	}
	return fmt.Sprintf("%q is none of config, option and list", kind)
}

func (p *parser) add(list bool, name string, v Value) string {
	if len(p.sections) == 0 {
		return fmt.Sprintf("%q stands before the first config", name)
	}
	if !namePattern.MatchString(name) {
		return fmt.Sprintf("%q is not the name of an option", name)
	}
	s := &p.sections[len(p.sections)-1]
	o := s.option(name)
	switch {
	case o == nil:
		s.Options = append(s.Options, Option{Name: name, List: list, Values: []Value{v}})
	case o.List && list:
		o.Values = append(o.Values, v)
	default:
		return fmt.Sprintf("%q stands here a second time: leave out one of the two, or write list for each", name)
	}
	return ""
}

// scanner finds words.
type scanner struct {
	text string
	at   int
	line int
}

// statement returns the words up to the end of a line that has some, nil at the
// end of the text, and what is wrong, if something is.
func (s *scanner) statement() (words []Value, wrong string) {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '\n':
			s.at++
			s.line++
			if words != nil {
				return words, ""
			}
		case c == ' ' || c == '\t' || c == '\r':
			s.at++
		case c == '#':
			s.comment()
		default:
			w, wrong := s.word()
			if words = append(words, w); wrong != "" {
				return words, wrong
			}
		}
	}
	return words, ""
}

func (s *scanner) comment() {
	if end := strings.IndexByte(s.text[s.at:], '\n'); end >= 0 {
		s.at += end
		return
	}
	s.at = len(s.text)
}

// word reads one, of parts that are bare, in single quotes, where nothing is
// special, or in double ones, where a backslash takes the next byte as it is.
func (s *scanner) word() (w Value, wrong string) {
	w.Line = s.line
	var b strings.Builder
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			w.Text = b.String()
			return w, ""
		case c == '\'' || c == '"':
			if !s.quoted(&b, c) {
				return w, "the text is not closed: a value ends with the quote that it begins with"
			}
		case c == ';':
			return w, "a ; outside of quotes: each option has a line of its own"
		case c == '\\' && s.at+1 < len(s.text) && s.text[s.at+1] != '\n':
			b.WriteByte(s.text[s.at+1])
			s.at += 2
		default:
			b.WriteByte(c)
			s.at++
		}
	}
	w.Text = b.String()
	return w, ""
}

// quoted reads up to the quote that closes, and reports whether there is one.
func (s *scanner) quoted(b *strings.Builder, quote byte) bool {
	for s.at++; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		switch {
		case c == quote:
			s.at++
			return true
		case c == '\\' && quote == '"' && s.at+1 < len(s.text):
			s.at++
			c = s.text[s.at]
		}
		if c == '\n' {
			s.line++
		}
		b.WriteByte(c)
	}
	return false
}
