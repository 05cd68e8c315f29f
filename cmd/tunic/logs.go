package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/supervise"
)

func logsCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "logs [SERVER]",
		Short: "Show recent log lines of the mail and chat servers",
		Long: `Logs prints the last lines of a server that tunic runs, such as dovecot. They may
name users, so they are kept in memory alone, and are gone with the daemon.
Without a name it lists which logs there are.`,
		Example: `  tunic logs
  tunic logs dovecot`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listLogs(cmd.Context(), asJSON)
			}
			lines, err := a.client().Tail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(lines)
			}
			for _, line := range lines {
				a.printf("%s\n", line)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// listLogs says which logs there are, and where the others are.
func (a *app) listLogs(ctx context.Context, asJSON bool) error {
	s, err := a.client().Status(ctx)
	if err != nil {
		return err
	}
	names := []string{}
	for _, server := range s.Servers {
		names = append(names, server.Name)
	}
	if asJSON {
		return a.json(names)
	}
	for _, name := range names {
		a.printf("%-10s tunic logs %s\n", name, name)
	}
	a.printf("%-10s journalctl -u tunic (what tunic says, also of tor)\n", "tunic")
	return nil
}

// confineCommand is the first moment of every child: see supervise.Command.
func confineCommand(*app) *cobra.Command {
	return &cobra.Command{
		Use:                "confine OOMSCORE MEMORY PROGRAM [ARG...]",
		Short:              "Become another program, within limits and without a way to privileges; started by `tunic run`",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.MinimumNArgs(3),
		RunE:               func(_ *cobra.Command, args []string) error { return supervise.Confine(args) },
	}
}

// printServers is the servers' part of the status.
func (a *app) printServers(list []api.Server) {
	if len(list) > 0 {
		a.printf("\nServers\n")
	}
	for _, s := range list {
		words := "is being started"
		switch {
		case s.Ready:
			words = "runs"
		case s.Error != "":
			words = s.Error
		}
		if s.Restarts > 0 {
			words += fmt.Sprintf(", restarted %d times", s.Restarts)
		}
		a.printf("  %-10s %-10s %s\n", s.Name, s.Version, words)
	}
}
