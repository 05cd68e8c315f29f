package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tunic/internal/lab"
)

func downCommand(id *string) *cobra.Command {
	keepLogs := false
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End the lab and remove every trace of it",
		Long: `Ends all processes of the lab and removes its namespaces and files, also
those of a lab that was only half built. A lab that does not exist is no error.`,
		Example: "  tunic-lab down\n  tunic-lab down --keep-logs",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			err := lab.Down(cmd.Context(), "", *id, keepLogs)
			if errors.Is(err, lab.ErrNotFound) {
				fmt.Fprintf(cmd.OutOrStdout(), "there is no lab %s\n", *id)
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "lab %s is down\n", *id)
			return nil
		},
	}
	cmd.Flags().BoolVar(&keepLogs, "keep-logs", false, "leave logs and captures in the lab's directory")
	return cmd
}
