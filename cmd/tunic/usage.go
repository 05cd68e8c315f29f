package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// group gives a verb verbs of its own, and has it say which there are.
func group(a *app, c *cobra.Command, verbs ...func(*app) *cobra.Command) *cobra.Command {
	var names []string
	for _, verb := range verbs {
		v := verb(a)
		v.Args = usageArgs(v.Args)
		names = append(names, v.Name())
		c.AddCommand(v)
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		hint := "there is: " + strings.Join(names, ", ")
		if c.Flags().Lookup("json") != nil { // it prints something without any of them
			hint += "; `" + c.CommandPath() + "` alone lists what is there"
		}
		many := c.Name() + "s"
		if list, _, err := c.Root().Find([]string{many}); err == nil && list != c.Root() {
			hint += "; `tunic " + many + "` lists what is there"
		}
		return usageError(hint, "`%s` cannot %q", c.CommandPath(), args[0])
	}
	return c
}

// usageArgs says which words of a command line are missing or too many.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = cobra.NoArgs
	}
	return func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if _, said := errors.AsType[*failure](err); err == nil || said {
			return err
		}
		hint := "see `" + c.CommandPath() + " --help`"
		if example, _, _ := strings.Cut(strings.TrimSpace(c.Example), "\n"); example != "" {
			hint = "example: " + strings.TrimSpace(example)
		}
		return usageError(hint, "%s", wrongWords(c, args))
	}
}

// wrongWords compares what was typed with what the verb takes, as its help
// writes it: "publish NAME PORT=TARGET...", "certificate ONION --out DIR".
func wrongWords(c *cobra.Command, args []string) string {
	words, flags := wanted(c)
	needed := 0
	for _, w := range words {
		if !strings.HasPrefix(w, "[") {
			needed++
		}
	}
	if len(args) < needed {
		missing := slices.Concat(words[len(args):needed], flags)
		return fmt.Sprintf("`%s` also needs %s", c.CommandPath(), strings.TrimSuffix(strings.Join(missing, " and "), "..."))
	}
	return fmt.Sprintf("`%s` does not know what to do with %q", c.CommandPath(), args[min(len(words), len(args)-1)])
}

// wanted are the words that a verb takes, and the flags with their values that it needs
// and that were not typed: of "certificate ONION --out DIR" ONION, and --out DIR.
func wanted(c *cobra.Command) (words, flags []string) {
	use := strings.Fields(c.Use)[1:]
	for i := 0; i < len(use); i++ {
		flag, isFlag := strings.CutPrefix(use[i], "--")
		switch {
		case strings.HasPrefix(use[i], "{"), strings.HasPrefix(use[i], "[-"): // what may be typed behind the words
			return words, flags
		case !isFlag:
			words = append(words, use[i])
		case i+1 < len(use):
			if !c.Flags().Changed(flag) {
				flags = append(flags, use[i]+" "+use[i+1])
			}
			i++
		}
	}
	return words, flags
}

// flagError is an error of the command line's parser in words.
func flagError(err error) error {
	if _, ok := err.(interface{ GetValue() string }); !ok { // pflag.InvalidValueError
		return err
	}
	_, rest, _ := strings.Cut(err.Error(), `" for "`)
	name, _, _ := strings.Cut(rest, `" flag: `)
	cause := errors.Unwrap(err)
	if n, ok := errors.AsType[*strconv.NumError](cause); ok {
		cause = fmt.Errorf("%q is no number that fits here", n.Num)
	}
	return fmt.Errorf("%s: %w", name, cause)
}
