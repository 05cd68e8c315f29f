package notices

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tunic/gateway/health"
)

// news is what one notice tells.
type news struct {
	at       time.Time
	began    []health.Finding
	ended    []told
	flapping []key // of those that began: they had ended within the hour
}

// subject counts, and names nothing: it stands on a locked screen.
func (n *news) subject() string {
	var words []string
	if k := len(n.began); k > 0 {
		words = append(words, fmt.Sprintf("%d new finding%s", k, plural(k)))
	}
	if k := len(n.ended); k > 0 {
		words = append(words, fmt.Sprintf("%d ended", k))
	}
	return "tunic: " + strings.Join(words, ", ")
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// clock is how a notice writes a time.
const clock = "2 January 2006, 15:04 UTC"

// text says what status says, and no more.
func (n *news) text() string {
	var b strings.Builder
	for _, f := range n.began {
		paragraph(&b, strings.ToUpper(string(f.Severity))+" "+string(f.Code)+": "+f.Text)
		paragraph(&b, "What to do: "+f.Action)
		if slices.Contains(n.flapping, keyOf(f)) {
			paragraph(&b, "It had ended less than an hour ago. You hear of it again when it has been away for an hour.")
		}
		b.WriteString("\n")
	}
	for _, t := range n.ended {
		paragraph(&b, "ENDED "+string(t.Code)+": "+t.Text)
		if !t.Since.IsZero() {
			paragraph(&b, "It was found on "+t.Since.UTC().Format(clock)+".")
		}
		b.WriteString("\n")
	}
	paragraph(&b, "Looked at on "+n.at.UTC().Format(clock)+". `tunic status` says how it is now, "+
		"`tunic explain CODE` tells more of a finding. This box writes to its admins because [notices] in tunic.toml says so.")
	return b.String()
}

// width is that of the lines, in letters.
const width = 72

// paragraph writes a text in lines, without what could end one.
func paragraph(b *strings.Builder, text string) {
	line := 0
	for _, word := range strings.Fields(strings.Map(printable, text)) {
		switch n := len([]rune(word)); {
		case line == 0:
			line = n
		case line+1+n > width:
			b.WriteString("\n")
			line = n
		default:
			b.WriteString(" ")
			line += 1 + n
		}
		b.WriteString(word)
	}
	b.WriteString("\n")
}

func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
		return ' '
	}
	return r
}
