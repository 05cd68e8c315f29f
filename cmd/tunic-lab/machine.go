package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"tunic/internal/lab"
	"tunic/internal/machines"
)

// machineGateway is the gateway in whose place a machine is booted.
const machineGateway = "gateway"

// upMachine builds a lab with a booted Debian. tunic is not installed there
// yet; the checkout of this program is at machines.Source.
func upMachine(cmd *cobra.Command, o lab.Options, codename string) error {
	release, err := machines.FindRelease(codename)
	if err != nil {
		return usageError{err}
	}
	say := func(text string) { fmt.Fprintln(cmd.OutOrStdout(), text) }
	root, err := release.Root(cmd.Context(), say)
	if err != nil {
		return err
	}
	o.Machines = []string{machineGateway}
	o.Daemons = slices.DeleteFunc(o.Daemons, func(g string) bool { return g == machineGateway })
	l, err := lab.Up(cmd.Context(), o)
	if err != nil {
		return err
	}
	m, err := machines.New(cmd.Context(), l, machineGateway, root, filepath.Dir(o.BinDir))
	if err == nil {
		err = m.Boot(cmd.Context())
	}
	if err != nil {
		return errors.Join(err, l.Down(context.WithoutCancel(cmd.Context()), true))
	}
	say(release.Name + " is booting in the place of " + machineGateway + "; the checkout is in " + machines.Source)
	return nil
}

func machineCommand(id *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "machine",
		Short: "Switch the booted Debian of `up --machine` on or off",
	}
	for _, c := range []struct {
		use, short string
		do         func(*machines.Machine, context.Context) error
	}{
		{"on", "Boot it", (*machines.Machine).Boot},
		{"off", "Shut it down in order", (*machines.Machine).PowerOff},
		{"cut", "Take its power away: what was not synced to its disk is lost", (*machines.Machine).Cut},
	} {
		cmd.AddCommand(&cobra.Command{Use: c.use, Short: c.short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := lab.Load("", *id)
			if err != nil {
				return err
			}
			m, err := machines.Load(l, machineGateway)
			if err != nil {
				return err
			}
			return c.do(m, cmd.Context())
		}})
	}
	return cmd
}
