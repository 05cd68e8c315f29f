package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tunic/gateway/health"
)

// width is how many columns a terminal has, or 0 where texts go to a file or to
// another program, which break no lines of themselves.
func (a *app) width() int {
	if f, ok := raw(a.out).(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return max(int(size.Col), narrowest)
		}
	}
	return 0
}

// narrowest is the least that a line is broken to.
const narrowest = 40

// wrapped breaks lines between words so that they fit a terminal, and indents them.
// An address or another long word is never broken.
func wrapped(text string, width int, indent string) string {
	if width == 0 {
		return indent + text
	}
	var b strings.Builder
	at := 0
	for _, w := range strings.Fields(text) {
		switch n := len([]rune(w)); {
		case at == 0:
			b.WriteString(indent + w)
			at = len(indent) + n
		case at+1+n > width:
			b.WriteString("\n" + indent + w)
			at = len(indent) + n
		default:
			b.WriteString(" " + w)
			at += 1 + n
		}
	}
	return b.String()
}

// Colours of severities (ECMA-48, SGR).
var colours = map[health.Severity]string{health.Error: "\x1b[1;31m", health.Warning: "\x1b[1;33m", health.Info: "\x1b[1m"}

func severityWord(s health.Severity) string { return oneLine(strings.ToUpper(string(s))) }

// printSeverity prints the word, in a colour on a terminal whose owner wants
// colours (no-color.org).
func (a *app) printSeverity(s health.Severity) {
	colourful := a.width() > 0 && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
	if colourful {
		io.WriteString(raw(a.out), colours[s])
	}
	a.print(severityWord(s))
	if colourful {
		io.WriteString(raw(a.out), "\x1b[0m")
	}
}
