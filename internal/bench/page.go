package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// WriteTable writes rows as a table in Markdown: medians, and in brackets the least and the
// most of the rounds, where the rounds are known.
func WriteTable(out io.Writer, rows []Row, rounds Rounds) error {
	_, err := io.WriteString(out, "| what | tunic | best of the others | ratio | goal | |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		if err != nil {
			break
		}
		seen := rounds[r.Name]
		holds := "missed"
		if r.Holds {
			holds = "met"
		}
		_, err = fmt.Fprintf(out, "| %s, %s | %s | %s %s | %.2f | %.2f | %s |\n", r.Name, r.Unit,
			number(r.Tunic)+spread(seen["tunic"]), r.PeerName, number(r.Peer)+spread(seen[r.PeerName]), r.Ratio, r.Goal, holds)
	}
	return err
}

func spread(v []float64) string {
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s to %s)", number(slices.Min(v)), number(slices.Max(v)))
}

// number has three digits that count, and commas between thousands.
func number(v float64) string {
	if v == 0 || math.Abs(v) < 100 {
		return fmt.Sprintf("%.3g", v)
	}
	step := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	text := fmt.Sprintf("%.0f", math.Round(v/step)*step)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// The lines of a page between which the table stands.
const (
	Begin = "<!-- measured: `make bench-page` writes what follows -->\n"
	End   = "<!-- end of what was measured -->\n"
)

// Replace puts text between Begin and End of a page.
func Replace(page, text string) (string, error) { return ReplaceBetween(page, Begin, End, text) }

// ReplaceBetween puts text between two lines of a page, which have to be there.
func ReplaceBetween(page, begin, end, text string) (string, error) {
	before, rest, ok := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return "", fmt.Errorf("the page has no lines %q and %q", begin, end)
	}
	return before + begin + text + end + after, nil
}
