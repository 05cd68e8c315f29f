package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tunic/gateway"
	"tunic/gateway/config"
)

func checkCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and print every mistake with file and line",
		Long: `Check reads all of the configuration and changes nothing. It prints every
mistake with file and line and exits with 2 if there is one. What this box lacks
for a configuration that is right, such as the program of a bridge's transport,
is a warning.`,
		Example: "  tunic check && tunic reload",
		RunE: func(*cobra.Command, []string) error {
			c, err := config.Load(a.paths())
			if err != nil {
				return err
			}
			if err := gateway.CheckSnippets(a.paths(), c); err != nil {
				return &failure{code: exitUsage, err: err}
			}
			if _, err := gateway.FindEntry(c); err != nil {
				fmt.Fprintf(a.err, "tunic: warning: %v\n", err)
			}
			a.printf("the configuration is right: %d devices, %d onions, %d endpoints\n", len(c.Devices), len(c.Onions), len(c.Endpoints))
			return nil
		},
	}
}
