package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// verbs are all commands with those below them.
func verbs(c *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{c}
	for _, child := range c.Commands() {
		list = append(list, verbs(child)...)
	}
	return list
}

func TestEveryVerbHasHelpWithAnExample(t *testing.T) {
	root := newRoot(&app{env: func(string) string { return "" }})
	all := verbs(root)
	if len(all) < 16 {
		t.Fatalf("only %d verbs", len(all))
	}
	for _, c := range all {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		if c.Short == "" && c.Long == "" {
			t.Errorf("%s says nothing about itself", c.CommandPath())
		}
		if !strings.Contains(c.Example, "tunic") {
			t.Errorf("%s has no example", c.CommandPath())
		}
	}
}

// invocation finds the commands of an example: what follows a prompt, a && or
// a sudo, up to a comment or the next command.
var invocation = regexp.MustCompile(`\btunic ([a-z][^#\n|&;)>]*)`)

// Each line of an example, of the help, of the README and of the guide to friends, is one that the
// command line takes: the verb exists, and so do its flags, with values and a
// number of arguments that it accepts.
func TestExamplesAreAccepted(t *testing.T) {
	var texts []string
	for _, name := range []string{"README.md", "docs/friends.md"} {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, fencedCommands(string(text))...)
	}
	for _, c := range verbs(newRoot(&app{env: func(string) string { return "" }})) {
		texts = append(texts, c.Example)
	}
	seen := 0
	for _, m := range invocation.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		args := strings.Fields(strings.TrimRight(m[1], " `"))
		seen++
		root := newRoot(&app{env: func(string) string { return "" }})
		c, rest, err := root.Find(args)
		if err == nil {
			err = c.ParseFlags(rest)
		}
		if err == nil && c.Args != nil {
			err = c.Args(c, c.Flags().Args())
		}
		if err != nil || c == root {
			t.Errorf("the example %q is not accepted: %v", m[0], err)
		}
	}
	if seen < 20 {
		t.Errorf("only %d examples were found", seen)
	}
}

// fencedCommands are the lines of a Markdown text's code blocks, and its
// inline code, that call tunic.
func fencedCommands(text string) []string {
	var list []string
	fenced := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced && strings.Contains(line, "tunic "):
			list = append(list, line)
		case !fenced:
			for i, part := range strings.Split(line, "`") {
				if i%2 == 1 {
					list = append(list, part)
				}
			}
		}
	}
	return list
}
