package main

import (
	"github.com/spf13/cobra"

	"tunic/internal/lab"
)

// command is the whole command line.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "tunic-lab",
		Short: "A private Tor network with two households on this machine",
		Long: `A private Tor network with two or three households, made of network
namespaces and real tor processes on this machine. It needs root. Nothing of
it touches the machine's own network, and ` + "`tunic-lab down`" + ` leaves nothing.`,
		Example: `  tunic-lab up
  tunic-lab exec phone -- curl http://203.0.113.80/ip
  tunic-lab exec gateway -- tunic status
  tunic-lab down`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	id := root.PersistentFlags().String("lab", "default", "name of the lab: 1 to 8 of a-z and 0-9")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if err := lab.CheckID(*id); err != nil {
			return usageError{err}
		}
		return nil
	}
	root.AddCommand(upCommand(id), demoCommand(id), statusCommand(id), execCommand(id), machineCommand(id), downCommand(id),
		internetCommand(), nasCommand())
	return root
}
