package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const verbsPage = "../../docs/verbs.md"

// The page about the verbs is what their help says.
func TestDocsVerbs(t *testing.T) {
	want := verbsText()
	if *update {
		if err := os.WriteFile(verbsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(verbsPage); err != nil || string(have) != want {
		t.Errorf("%s is not what the help says (%v): go test ./cmd/tunic -run Docs -update", verbsPage, err)
	}
}

// verbsText is the whole page.
func verbsText() string {
	root := newRoot(&app{env: func(string) string { return "" }})
	var list, pages strings.Builder
	for _, g := range root.Groups() {
		title := strings.TrimSuffix(g.Title, ":")
		fmt.Fprintf(&list, "\n**%s**\n\n| | |\n|---|---|\n", title)
		fmt.Fprintf(&pages, "\n## %s\n", title)
		for _, c := range root.Commands() {
			if c.GroupID != g.ID || c.Hidden || generated(c) {
				continue
			}
			fmt.Fprintf(&list, "| [`tunic %s`](#tunic-%s) | %s |\n", c.Name(), c.Name(), c.Short)
			writeVerb(&pages, c, "###")
		}
	}
	who := root.Long[strings.LastIndex(root.Long, "\n\n")+2:]
	return "# Verbs\n\nWhat `tunic help` says of each verb. " + strings.TrimSpace(who) + "\n\n" +
		"Written by `go test ./cmd/tunic -run Docs -update`.\n" + list.String() + pages.String() +
		"\n## Exit statuses\n\n```\n" + exitWords + "\n```\n"
}

// generated reports whether a verb is the library's own, of no interest here.
func generated(c *cobra.Command) bool { return c.Name() == "help" || c.Name() == "completion" }

// writeVerb writes the part of one verb, and those of the verbs below it. The
// verbs of onion and friend are verbs by themselves, and are written there.
func writeVerb(b *strings.Builder, c *cobra.Command, mark string) {
	fmt.Fprintf(b, "\n%s %s\n\n%s.\n\n", mark, c.CommandPath(), c.Short)
	if c.Runnable() {
		fmt.Fprintf(b, "    %s\n\n", c.UseLine())
	}
	if len(c.Aliases) > 0 {
		fmt.Fprintf(b, "Also: `%s`.\n\n", strings.Join(c.Aliases, "`, `"))
	}
	if c.Long != "" {
		fmt.Fprintf(b, "```text\n%s\n```\n\n", strings.TrimSpace(c.Long))
	}
	if flags := strings.TrimRight(c.NonInheritedFlags().FlagUsages(), "\n"); flags != "" {
		fmt.Fprintf(b, "```text\n%s\n```\n\n", flags)
	}
	fmt.Fprintf(b, "Examples:\n\n```\n%s\n```\n", unindented(c.Example))
	if c.Name() == "onion" || c.Name() == "friend" {
		return
	}
	for _, below := range c.Commands() {
		if !below.Hidden {
			writeVerb(b, below, mark+"#")
		}
	}
}

func unindented(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
