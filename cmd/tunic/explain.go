package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway/config"
	"tunic/gateway/health"
)

func explainCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Say what a finding of `tunic status` means, and what to do",
		Long: `Explain says what a finding means, what works all the same, and what to do about
it. CODE is the word that stands before it in ` + "`tunic status`" + `. Without CODE it lists
all of them.`,
		Example: `  tunic explain tor-not-connected
  tunic explain`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := explanations(args)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			for _, e := range list {
				if len(args) == 0 {
					a.printf("%-28s %s\n", e.Code, e.Severity)
					continue
				}
				a.printf("%s %s\n\n%s\n\nWhat to do: %s\n", strings.ToUpper(string(e.Severity)), e.Code, e.Means, e.Action)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// explanations are that of the named code, or all of them.
func explanations(args []string) (list []health.Explanation, err error) {
	codes := health.Codes()
	if len(args) > 0 {
		codes = []health.Code{health.Code(strings.ToLower(args[0]))}
	}
	for _, code := range codes {
		e, ok := health.Explain(code)
		if !ok {
			return nil, noSuchCode(string(code))
		}
		list = append(list, e)
	}
	return list, nil
}

func noSuchCode(word string) error {
	hint := "`tunic explain` lists all"
	var known []string
	for _, code := range health.Codes() {
		known = append(known, string(code))
	}
	if near := config.Nearest(word, known); near != "" {
		hint = fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	return &failure{exitUsage, fmt.Errorf("there is no finding %q", word), hint}
}
