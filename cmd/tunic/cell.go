package main

import (
	"github.com/spf13/cobra"

	"tunic/gateway/cell"
)

// cellCommand is the first process of a command that a friend uses.
func cellCommand(*app) *cobra.Command {
	return &cobra.Command{
		Use:                cell.Verb + " ARG...",
		Short:              "Run a command for a friend, apart from everything; started by `tunic run`",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.MinimumNArgs(1),
		RunE:               func(_ *cobra.Command, args []string) error { return cell.Main(args) },
	}
}
