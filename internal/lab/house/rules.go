package house

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"tunic/internal/lab"
)

// Tools are the programs for the rules of both families; each has a -save and
// a -restore.
var Tools = []string{"iptables", "ip6tables"}

// Rules are what iptables-save and ip6tables-save print, by tool.
type Rules map[string]string

// between is a line between the texts of two tools.
const between = "-- the next --"

// SaveRules reads the rules of a box's kernel, its own and others'.
func SaveRules(ctx context.Context, l *lab.Lab, gateway string) (Rules, error) {
	out, err := Run(ctx, l, gateway, "sh", "-ec", strings.Join(Tools, "-save; echo '"+between+"'; ")+"-save")
	if err != nil {
		return nil, err
	}
	texts := strings.Split(out, between)
	if len(texts) != len(Tools) {
		return nil, fmt.Errorf("reading the rules of %s: there are %d texts", gateway, len(texts))
	}
	saved := make(Rules)
	for i, tool := range Tools {
		saved[tool] = strings.TrimSpace(texts[i])
	}
	return saved, nil
}

// Restore loads the rules, as another program would: all at once.
func (r Rules) Restore(ctx context.Context, l *lab.Lab, gateway string) error {
	for tool, text := range r {
		cmd, err := l.Command(ctx, gateway, tool+"-restore", "-w")
		if err != nil {
			return err
		}
		cmd.Stdin = strings.NewReader(text + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("loading rules on %s: %w: %s", gateway, err, out)
		}
	}
	return nil
}

// changing are dates and counters, which differ each time.
var changing = regexp.MustCompile(`(?m)^#.*$| \[\d+:\d+\]$`)

// String is the text of both families without what differs each time.
func (r Rules) String() string {
	var b strings.Builder
	for _, tool := range Tools {
		fmt.Fprintln(&b, changing.ReplaceAllString(r[tool], ""))
	}
	return b.String()
}
