package main

import (
	"errors"
	"fmt"
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
		return usageError("there is: "+strings.Join(names, ", "), "`%s` cannot %q", c.CommandPath(), args[0])
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
// writes it: "publish NAME PORT=TARGET...".
func wrongWords(c *cobra.Command, args []string) string {
	wants := strings.Fields(c.Use)[1:]
	needed := 0
	for _, w := range wants {
		if !strings.HasPrefix(w, "[") {
			needed++
		}
	}
	if len(args) < needed {
		missing := strings.Join(wants[len(args):needed], " and ")
		return fmt.Sprintf("`%s` also needs %s", c.CommandPath(), strings.TrimSuffix(missing, "..."))
	}
	return fmt.Sprintf("`%s` does not know what to do with %q", c.CommandPath(), args[min(len(wants), len(args)-1)])
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
