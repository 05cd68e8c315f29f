package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway/config"
)

func profilesCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "profiles [NAME]",
		Short: "List what is known of services that people publish",
		Long: `Profiles lists services by the names that ` + "`tunic publish --as`" + ` takes, with the
port on which each usually listens and the one that its onion gets for visitors. Of
one it prints all that is known: how it is known to be up, what visitors open or
type, what to watch out for, and which host names an application must accept. A file
profiles/NAME.toml adds a profile of your own, or replaces one.`,
		Example: `  tunic profiles
  tunic profiles nextcloud
  tunic profiles --json | jq -r '.[].name'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := config.LoadProfiles(a.paths())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				p, err := config.FindProfile(list, args[0])
				if err != nil {
					return wrongInput(err, "")
				}
				return a.showProfile(p, asJSON)
			}
			if asJSON {
				return a.json(list)
			}
			a.printf("%-16s  %-14s  %-14s  %s\n", "NAME", "SERVICE'S PORT", "VISITORS' PORT", "WHAT IT IS")
			for _, p := range list {
				a.printf("%-16s  %-14d  %-14d  %s\n", p.Name, p.Target, p.Port, p.Title)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) showProfile(p config.Profile, asJSON bool) error {
	if asJSON {
		return a.json(p)
	}
	a.printf("%s: %s\n", p.Name, p.Title)
	a.printf("  port at the onion   %d\n  port of the service %d\n  known to be up by   %s\n", p.Port, p.Target, p.Probe)
	a.printf("  publish             tunic publish NAME --as %s HOST\n", p.Name)
	a.printf("  documentation       %s\n", p.Docs)
	for _, l := range profileLines(p, "KEY") {
		a.printf("  %s\n", l)
	}
	return nil
}

// profileLines say what the owner of an onion with this key should know.
func profileLines(p config.Profile, key string) []string {
	lines := []string{
		"visitors, Tor Browser or torsocks:   " + p.VisitAs(key+".onion"),
		"visitors whose household runs tunic: " + p.VisitAs(key+"."+peerSuffix),
		"watch out: " + p.Danger,
	}
	if p.Trust != "" {
		lines = append(lines, "host names it must accept: "+p.TrustAs(key))
	}
	return lines
}

// peerSuffix ends the names by which the houses of friends know onions.
const peerSuffix = "peer.home.arpa"

// adviseOn tells the owner of a new onion what its profile knows.
func (a *app) adviseOn(profile, address string) error {
	if profile == "" {
		return nil
	}
	list, err := config.LoadProfiles(a.paths())
	if err != nil {
		return err
	}
	p, err := config.FindProfile(list, profile)
	if err != nil {
		return wrongInput(err, "")
	}
	for _, l := range profileLines(p, strings.TrimSuffix(address, ".onion")) {
		fmt.Fprintln(a.err, l)
	}
	return nil
}
