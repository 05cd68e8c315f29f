package house

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"tunic/gateway/config"
	"tunic/internal/lab"
)

// Look is how boxes stand, by what was looked at: "gateway: rules of iptables,
// filter TUNIC-POLICY", "friend: file peers/bob.toml", "gateway: status", "gateway: finding rules-drift".
type Look map[string]string

// LookAt looks at the rules, the configuration and the status of boxes, all at
// the same time.
func LookAt(ctx context.Context, l *lab.Lab, gateways ...string) (Look, error) {
	look, mu := make(Look), sync.Mutex{}
	group, ctx := errgroup.WithContext(ctx)
	for _, gateway := range gateways {
		for _, part := range []func(context.Context, *lab.Lab, string) (Look, error){rulesOf, filesOf, statusOf} {
			group.Go(func() error {
				found, err := part(ctx, l, gateway)
				mu.Lock()
				defer mu.Unlock()
				for name, text := range found {
					look[gateway+": "+name] = text
				}
				return err
			})
		}
	}
	return look, group.Wait()
}

func rulesOf(ctx context.Context, l *lab.Lab, gateway string) (Look, error) {
	saved, err := SaveRules(ctx, l, gateway)
	return saved.chains(), err
}

// chains are the rules by chain: their order counts within a chain alone.
// What changes by itself, and a chain of the kernel's own without a rule, are
// not there.
func (r Rules) chains() Look {
	look := make(Look)
	for tool, text := range r {
		table := ""
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(changing.ReplaceAllString(line, ""))
			name, more, _ := strings.Cut(line, " ")
			switch {
			case strings.HasPrefix(line, "*"):
				table = line[1:]
			case strings.HasPrefix(line, ":") && more != "ACCEPT":
				look[chainName(tool, table, name[1:])] += line + "\n"
			case name == "-A" && !ofItself(more):
				chain, _, _ := strings.Cut(more, " ")
				look[chainName(tool, table, chain)] += line + "\n"
			}
		}
	}
	return look
}

func chainName(tool, table, chain string) string {
	return "rules of " + tool + ", " + table + " " + chain
}

// ofItself reports whether the daemon makes and removes a rule by itself: which
// devices have their share of tor, TUNIC-FULL says (decision 71); where a device's
// bypass leads, TUNIC-BYPASS does, for as long as the answer holds (decision 10).
func ofItself(rule string) bool {
	return strings.HasPrefix(rule, "TUNIC-FULL -m mac") || granted.MatchString(rule)
}

// granted is a rule for one address and one device.
var granted = regexp.MustCompile(`^TUNIC-BYPASS -d \S+/(32|128) -m mac `)

// filesOf are the files of the configuration, with their modes.
func filesOf(_ context.Context, l *lab.Lab, gateway string) (Look, error) {
	return files(config.NewPaths(l.Root(gateway)).Etc)
}

func files(dir string) (Look, error) {
	look := make(Look)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		look["file "+rel] = fmt.Sprintf("%v\n%s", info.Mode(), text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking at the configuration: %w", err)
	}
	return look, nil
}

// Changes are what differs from how it was before, a text for each thing in
// order of names. What begins with one of the excepted words is left out, and a
// finding that has ended is no change: some stay for a while after their cause.
func (before Look) Changes(now Look, except ...string) []string {
	names := maps.Clone(before)
	maps.Copy(names, now)
	var changes []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, was := before[name]
		text, is := now[name]
		excepted := slices.ContainsFunc(except, func(words string) bool { return strings.HasPrefix(name, words) })
		switch {
		case excepted || was && is && old == text:
		case !was:
			changes = append(changes, name+": it was not there before: "+firstLine(text))
		case strings.Contains(name, ": "+finding) && (!is || was): // it has ended, or another text says it
		case !is:
			changes = append(changes, name+": it is gone")
		default:
			changes = append(changes, name+": "+strings.Join(differing(old, text), "; "))
		}
	}
	return changes
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// differing are the lines that only one of two texts has: "- old", "+ new".
func differing(old, text string) []string {
	before, now := strings.Split(old, "\n"), strings.Split(text, "\n")
	var lines []string
	for _, line := range before {
		if !slices.Contains(now, line) {
			lines = append(lines, "- "+strings.TrimSpace(line))
		}
	}
	for _, line := range now {
		if !slices.Contains(before, line) {
			lines = append(lines, "+ "+strings.TrimSpace(line))
		}
	}
	if len(lines) == 0 {
		return []string{"the same lines in another order or number"}
	}
	return lines
}
