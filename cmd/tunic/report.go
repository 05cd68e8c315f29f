package main

import (
	"errors"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
)

func reportCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "report",
		Short: "Print how the box is, to be shown to others who help",
		Long: `Report prints versions, states, findings by their codes, and counts: how many devices
go through Tor, how many onions are reached. Names, addresses, keys, destinations,
files and the words of findings are not in it, so it can be sent to people who are
not to know whose box it is. Read it before you do. Where no daemon runs it says that,
and which versions there are; "tunic doctor" looks for the reason.`,
		Example: `  tunic report
  tunic report --json | jq .findings`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.client().Status(cmd.Context())
			if errors.Is(err, api.ErrNotRunning) && a.uid == 0 { // others may be kept from seeing one
				return a.printReport(api.ReportAlone(version), asJSON)
			}
			var peers []api.Peer
			var users []api.User
			if err == nil {
				peers, err = a.client().Peers(cmd.Context())
			}
			if err == nil {
				users, err = a.client().Users(cmd.Context())
			}
			if err != nil {
				return err
			}
			return a.printReport(api.NewReport(s, peers, users), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) printReport(r api.Report, asJSON bool) error {
	if asJSON {
		return a.json(r)
	}
	a.print(r.String())
	return nil
}
