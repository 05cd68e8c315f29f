package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tunic/internal/lab"
)

func upCommand(id *string) *cobra.Command {
	households, release := 2, ""
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Build the lab and leave it running",
		Long: `Builds the lab, says what it waits for, and returns when every gateway is
ready. The lab goes on running until ` + "`tunic-lab down`" + `. If something fails, or
on Ctrl-C, all of it is taken down again.`,
		Example: "  tunic-lab up\n  tunic-lab --lab three up --households 3",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := lab.NewPlan(*id, households)
			if err != nil {
				return usageError{err}
			}
			binDir, err := lab.BinDir()
			if err != nil {
				return err
			}
			options := lab.Options{
				ID: *id, Households: households, BinDir: binDir, Daemons: plan.Gateways(),
				Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)), Progress: progress(cmd),
			}
			if release != "" {
				return upMachine(cmd, options, release)
			}
			_, err = lab.Up(cmd.Context(), options)
			if errors.Is(err, context.Canceled) {
				return fmt.Errorf("interrupted, and taken down again: %w", err)
			}
			return err
		},
	}
	cmd.Flags().IntVar(&households, "households", households, "2, or 3 for the nodes c-gateway and c-laptop")
	cmd.Flags().StringVar(&release, "machine", "", "a Debian, bookworm or trixie, that is booted in the place of gateway")
	return cmd
}

// progress prints one line for each step.
func progress(cmd *cobra.Command) func(time.Duration, string) {
	var mu sync.Mutex
	return func(elapsed time.Duration, text string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(cmd.OutOrStdout(), "%6.1f s  %s\n", elapsed.Seconds(), text)
	}
}
