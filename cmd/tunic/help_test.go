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
var invocation = regexp.MustCompile(`\btunic ([a-z][^#\n|&;)<>]*)`)

// Each line of an example, of the help, of the README and of the pages in docs, is one that the
// command line takes: the verb exists, and so do its flags, with values and a
// number of arguments that it accepts. A text may name a verb without its arguments.
func TestExamplesAreAccepted(t *testing.T) {
	var texts, named []string
	for _, page := range guides(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		lines, inline := commandsOf(string(text))
		texts, named = append(texts, lines...), append(named, inline...)
	}
	for _, c := range verbs(newRoot(&app{env: func(string) string { return "" }})) {
		texts = append(texts, c.Example)
	}
	seen := 0
	for _, m := range invocation.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		seen++
		if bad := notAccepted(strings.Fields(strings.TrimRight(m[1], " `")), false); bad != "" {
			t.Errorf("the example %q is not accepted: %s", m[0], bad)
		}
	}
	for _, m := range invocation.FindAllStringSubmatch(strings.Join(named, "\n"), -1) {
		seen++
		if bad := notAccepted(strings.Fields(m[1]), true); bad != "" {
			t.Errorf("the command %q is not accepted: %s", m[0], bad)
		}
	}
	if seen < 300 {
		t.Errorf("only %d examples were found", seen)
	}
}

// notAccepted says why the command line does not take these words, "" if it does.
// bare: they may be a verb alone.
func notAccepted(args []string, bare bool) string {
	root := newRoot(&app{env: func(string) string { return "" }})
	root.InitDefaultHelpCmd()
	c, rest, err := root.Find(args)
	if err == nil && c == root {
		return "there is no such verb"
	}
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil && c.Args != nil && !(bare && c.Flags().NArg() == 0) {
		err = c.Args(c, c.Flags().Args())
	}
	if err == nil && c.HasSubCommands() && c.Flags().NArg() > 0 {
		return "there is no such verb below " + c.Name()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// calling finds tunic where a line of a shell begins a command with it.
var calling = regexp.MustCompile(`^(?:[$#] |sudo |.*(?:&& |\| |-- |; ))?(?:sudo )?tunic [a-z]`)

// commandsOf are the lines of a Markdown text's code blocks that call tunic, and
// its inline code that does. Blocks with a language are no commands, but for sh.
func commandsOf(text string) (lines, inline []string) {
	fenced, shell := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
			shell = fenced && (line == "```" || line == "```sh")
		case shell && calling.MatchString(line):
			lines = append(lines, line)
		case !fenced:
			for i, part := range strings.Split(line, "`") {
				if i%2 == 1 && calling.MatchString(part) {
					inline = append(inline, part)
				}
			}
		}
	}
	return lines, inline
}
