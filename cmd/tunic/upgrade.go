package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func upgradeCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "upgrade",
		Short: "Replace the running daemon by the version that is installed, and cut nothing",
		Long: `Upgrade starts the program that is installed now beside the daemon that runs. When it
serves the household as well, it takes the daemon's place: tor and all connections
go on, and what goes through the old version does so until it ends, for an hour at
most. A version that does not work within a minute is ended, and the old one goes
on as before.`,
		Example: "  sudo apt install ./tunic.deb && sudo tunic upgrade",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !asJSON {
				fmt.Fprintln(a.err, "starting the version that is installed beside the one that runs")
			}
			done, err := a.client().Upgrade(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(done)
			}
			a.printf("the new version %s works, after %v", done.To, done.Took.Round(10*time.Millisecond))
			if done.Streams > 0 {
				a.printf("; %s of the old one %s", count(done.Streams, "stream", "streams"), goOn(done.Streams))
			}
			a.printf("\n")
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func goOn(n int) string {
	if n == 1 {
		return "goes on"
	}
	return "go on"
}
