package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"tunic/internal/lab"
)

func execCommand(id *string) *cobra.Command {
	return &cobra.Command{
		Use:   "exec NODE -- COMMAND [ARG...]",
		Short: "Run a command on a node of the lab",
		Long: `Runs a command on a node, with this terminal, and ends with its exit status.
tunic is on PATH, and on gateways TUNIC_ROOT names the box's root. On a machine
(` + "`up --machine`" + `) it runs in the booted system.`,
		Example: "  tunic-lab exec laptop -- curl http://203.0.113.80/ip\n  tunic-lab exec friend -- tunic status",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := requireRoot(); err != nil {
				return err
			}
			l, err := lab.Load("", *id)
			if err != nil {
				return err
			}
			argv, err := l.Argv(args[0], args[1:]...)
			if err != nil {
				return usageError{err}
			}
			return replaceBy(argv, l.Environ(args[0]))
		},
	}
}

// replaceBy becomes the command, so that its terminal, signals and exit status
// are its own. It returns only if that fails.
func replaceBy(argv, env []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("finding %s: %w", argv[0], err)
	}
	if err := syscall.Exec(path, argv, env); err != nil {
		return fmt.Errorf("running %s: %w", argv[0], err)
	}
	return nil
}

func requireRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("the lab's nodes belong to root: run it with sudo")
	}
	return nil
}
