package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in one place.
type Error struct {
	File   string // path; empty for text that is not in a file
	Line   int    // from 1; 0 if the mistake is the file itself or what it lacks
	Column int    // from 1, in bytes; 0 if Line is 0
	Key    string // dotted path, "household.interfaces[1]"; empty for the whole file
	Msg    string // what is wrong, one line
	Hint   string // what to do about it; may be empty or several lines
}

// Error returns "FILE:LINE: KEY: message" without the parts that are not
// known, and the hint indented on the lines below.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	for _, part := range []string{e.Key, e.Msg} {
		if b.Len() > 0 && part != "" {
			b.WriteString(": ")
		}
		b.WriteString(part)
	}
	if e.Hint != "" {
		b.WriteString("\n    " + strings.ReplaceAll(e.Hint, "\n", "\n    "))
	}
	return b.String()
}

// changing says which file was to be changed, if a mistake does not say so itself.
func changing(path string, err error) error {
	if e, ok := errors.AsType[Error](err); ok && e.File != "" {
		return err
	}
	return fmt.Errorf("changing %s: %w", path, err)
}

// Errors are all mistakes of one configuration: tunic.toml first, then by
// file and line. Load returns it for errors.As.
type Errors []Error

// Error returns one line for each mistake, each followed by its hint.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes one by one.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = one
	}
	return errs
}

// sort puts the mistakes of the file called main first.
func (e Errors) sort(main string) {
	slices.SortStableFunc(e, func(a, b Error) int {
		if (a.File == main) != (b.File == main) {
			if a.File == main {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// problem is what is wrong with a value, before it is known where that stands.
type problem struct{ msg, hint string }

func problemf(hint, format string, args ...any) *problem {
	return &problem{fmt.Sprintf(format, args...), hint}
}
