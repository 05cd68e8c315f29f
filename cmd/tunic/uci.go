package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tunic/gateway/uci"
)

func uciCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "uci",
		Short: "On OpenWrt: write tunic.toml from /etc/config/tunic",
		Long: `Uci makes /etc/tunic/tunic.toml of what /etc/config/tunic says, with the devices of
the networks that /etc/config/network names. With a mistake, which is told with
its line, it changes nothing. OpenWrt's service does this at each start and
reload. A tunic.toml that its owner has written stays as it is, and
/etc/config/tunic is not asked: delete one of the two. One that a verb has changed
since (tunic bypass) stays too, and is told.`,
		Example: "  uci add_list tunic.main.network=lan && uci commit tunic && tunic uci && tunic reload",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			changed, err := uci.Write(a.paths())
			switch {
			case errors.Is(err, uci.ErrOwn), errors.Is(err, uci.ErrChanged):
				fmt.Fprintf(a.err, "tunic: %v\n", err)
			case err != nil:
				return err
			case changed:
				a.printf("%s is written\n", a.paths().Main())
			default:
				a.printf("%s says the same already\n", a.paths().Main())
			}
			return nil
		},
	}
}
