package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/feature/bypass"
)

func bypassCommand(a *app) *cobra.Command {
	return group(a, &cobra.Command{
		Use:   "bypass",
		Short: "Let devices reach a site outside Tor, which refuses Tor",
		Long: `A bypass is a site or a network that devices reach outside Tor: it, and the internet
provider, see the house's own address. It stands in tunic.toml, and the status
lists it as a leak.`,
		Example: `  tunic bypass add bank.example --device laptop
  tunic bypass list
  tunic bypass remove bank.example`,
	}, bypassAdd, bypassRemove, bypassList)
}

func bypassAdd(a *app) *cobra.Command {
	var r api.BypassRequest
	c := &cobra.Command{
		Use:   "add SITE",
		Short: "Let devices reach a site outside Tor from now on",
		Long: `SITE is a domain, with all names below it; a network or an address; or the address
of a page, of which the domain is taken. Without --device every device may
reach it so. Many sites load parts from other domains, which need a bypass
too: the browser's own tools (F12, "Network") show which.`,
		Example: `  tunic bypass add bank.example --device laptop
  tunic bypass add https://login.bank.example/start
  tunic bypass add 198.51.100.0/24 --device tv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.To = args[0]
			if err := a.changeBypass(cmd, r, false); err != nil {
				return err
			}
			to, err := config.ParseBypassTo(r.To)
			a.printf("%s is reached OUTSIDE TOR, for %s; to end it: tunic bypass remove %s\n", to, config.Who(r.Devices), to)
			return err
		},
	}
	c.Flags().StringArrayVar(&r.Devices, "device", nil, "the device that may reach it so, by its name; can be repeated (every device)")
	return c
}

func bypassRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "remove SITE",
		Short:   "Reach a site through Tor again, or not at all",
		Example: "  tunic bypass remove bank.example",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.changeBypass(cmd, api.BypassRequest{To: args[0]}, true); err != nil {
				return err
			}
			a.printf("%s is reached through Tor only\n", args[0])
			return nil
		},
	}
}

// changeBypass asks the daemon, or writes the file for its next start.
func (a *app) changeBypass(cmd *cobra.Command, r api.BypassRequest, remove bool) error {
	ask := a.client().AddBypass
	if remove {
		ask = a.client().RemoveBypass
	}
	err := ask(cmd.Context(), r)
	if !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	e, err := bypass.EditOf(r, remove)
	if err != nil {
		return wrongInput(err, "nothing was changed")
	}
	if _, err := config.Load(a.paths()); err != nil {
		return wrongInput(err, "nothing was changed")
	}
	write := func() error { return config.EditBypass(a.paths(), e) }
	if err := feature.EditAlone(a.paths(), write, a.paths().Main()); err != nil {
		return wrongInput(err, "nothing was changed")
	}
	fmt.Fprintln(a.err, "tunic.toml is written; it is in force when the daemon runs (systemctl start tunic)")
	return nil
}

func bypassList(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List what devices reach outside Tor by name or network",
		Example: "  tunic bypass list\n  tunic bypass list --json | jq -r '.[].to'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.client().Bypasses(cmd.Context())
			if errors.Is(err, api.ErrNotRunning) {
				var c *config.Config
				if c, err = config.Load(a.paths()); err != nil {
					return wrongInput(err, "")
				}
				list = bypass.List(c, nil)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			for _, b := range list {
				a.printf("%-30s for %s%s\n", b.To, config.Who(b.Devices), openWords(b.Open))
			}
			if len(list) == 0 {
				a.printf("nothing is reached outside Tor by name or network\n")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func openWords(n int) string {
	if n == 0 {
		return ""
	}
	return ", " + count(n, "address", "addresses") + " now"
}
