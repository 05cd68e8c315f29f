package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/feature/entry"
	"tunic/gateway/feature/networks"
	"tunic/gateway/feature/onions"
	"tunic/gateway/health"
	"tunic/gateway/machine"
	"tunic/gateway/tor"
)

func checkCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and print every mistake with file and line",
		Long: `Check reads all of the configuration and changes nothing. It prints every
mistake with file and line and exits with 2 if there is one. Lines in torrc.d,
bridges and countries are verified by tor itself. What this box lacks for a
configuration that is right, such as tor, a mail or chat server, the program of
a bridge's transport or the household's interface, is a warning, and so is an
onion that leads to a host on the internet. That the household's interface is the
way to the internet is a mistake, and so is a network on it that cannot be the
household's.`,
		Example: "  tunic check && tunic reload",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(a.paths())
			if err != nil {
				return err
			}
			if err := entry.CheckSnippets(a.paths(), c); err != nil {
				return &failure{code: exitUsage, err: err}
			}
			_, err = entry.Find(c)
			if err != nil {
				fmt.Fprintf(a.err, "tunic: warning: %v\n", err)
			} else if err := a.askTor(cmd.Context(), c); err != nil {
				return err
			}
			missing := desire.Missing(cmd.Context(), emptyHouse().features(), c)
			if local, err := (machine.Kernel{}).LocalPrefixes(cmd.Context()); err == nil {
				missing = append(missing, onions.CheckTargets(c.Onions, slices.Concat(local, c.Household.Prefixes))...)
			}
			for _, err := range missing {
				fmt.Fprintf(a.err, "tunic: warning: %v\n", err)
			}
			warned, err := a.checkInterfaces(cmd.Context(), c)
			if err != nil {
				return err
			}
			words := "the configuration is right"
			if warned {
				words = "the files have no mistake, but see the warnings"
			}
			a.printf("%s: %s, %s, %s\n", words, count(len(c.Devices), "device", "devices"),
				count(len(c.Onions), "onion", "onions"), count(len(c.Endpoints), "endpoint", "endpoints"))
			return nil
		},
	}
}

// checkInterfaces compares the configuration with the interfaces that this box has
// now, and reports whether it has warned of something.
func (a *app) checkInterfaces(ctx context.Context, c *config.Config) (warned bool, err error) {
	around, err := machine.Kernel{}.Surroundings(ctx, c.Household.Interfaces)
	if err != nil && len(around.Links) == 0 { // there is nothing to compare with
		fmt.Fprintf(a.err, "tunic: warning: the interfaces of this box were not read: %v\n", err)
		return true, nil
	}
	if err := networks.RefuseUplink(c, around.Links); err != nil {
		return false, &failure{code: exitUsage, err: err}
	}
	if err := a.checkRules(ctx, c, around); err != nil {
		return false, err
	}
	findings := networks.Surroundings(c, around)
	a.warn(findings)
	return len(findings) > 0, nil
}

// checkRules has the rules made for the interfaces that this box has now. What cannot
// be read, as by who is not root, is not looked at.
func (a *app) checkRules(ctx context.Context, c *config.Config, around feature.Surroundings) error {
	facts, err := machine.Kernel{}.Facts(ctx, c.Household.Interfaces)
	if err != nil {
		return nil
	}
	s := feature.Scene{Config: c, Facts: facts, Surroundings: around}
	if local, err := (machine.Kernel{}).LocalPrefixes(ctx); err == nil {
		s.Ranges, _, _ = box.FindRanges(a.paths().StateFile(), local)
	}
	if faults := desire.CheckRules(ctx, emptyHouse().features(), s); len(faults) > 0 {
		return &failure{exitUsage, errors.Join(faults...), "`tunic explain network-unfit` says more"}
	}
	return nil
}

// warn prints findings for somebody who asks no daemon.
func (a *app) warn(list []health.Finding) {
	for _, f := range list {
		fmt.Fprintf(a.err, "tunic: warning: %s\n  %s\n", f.Text, f.Action)
	}
}

// askTor has tor verify what the owner has written for it, if there is something.
// That tor is not installed is no mistake of the configuration.
func (a *app) askTor(ctx context.Context, c *config.Config) error {
	if len(c.Torrc)+len(c.Tor.Bridges)+len(c.Tor.Exits) == 0 {
		return nil
	}
	user, err := feature.IDs{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}, error(nil)
	if user.UID == 0 {
		user, err = machine.User(config.TorUser)
	}
	if err != nil {
		return a.notVerified(err)
	}
	err = desire.CheckTor(ctx, emptyHouse().features(), c, user)
	if old := new(tor.TooOldError); errors.Is(err, tor.ErrNoTor) || errors.As(err, &old) {
		return a.notVerified(err)
	}
	if err != nil {
		return &failure{exitUsage, err, "the lines are in " + a.paths().TorrcDir() + " and in [tor] of " + a.paths().Main()}
	}
	return nil
}

func (a *app) notVerified(why error) error {
	fmt.Fprintf(a.err, "tunic: warning: what is written for tor was not verified: %v\n", why)
	return nil
}
