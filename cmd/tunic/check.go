package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	"tunic/rules/netfilter"
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
onion that leads to a host on the internet; the last line refers to the warnings then,
and the exit status is 0 as without. That the household's interface is the way to the
internet is a mistake, and so is a network on it that cannot be the household's.`,
		Example: "  tunic check && tunic reload",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(a.paths())
			if err != nil {
				return err
			}
			if err := entry.CheckSnippets(a.paths(), c); err != nil {
				return &failure{code: exitUsage, err: err}
			}
			warned, err := a.checkPrograms(cmd.Context(), c)
			if err != nil {
				return err
			}
			found, err := a.checkInterfaces(cmd.Context(), c)
			if err != nil {
				return err
			}
			words := "the configuration is right"
			if warned || found {
				words = "the files have no mistake, but see the warnings"
			}
			a.printf("%s: %s, %s, %s\n", words, count(len(c.Devices), "device", "devices"),
				count(len(c.Onions), "onion", "onions"), count(len(c.Endpoints), "endpoint", "endpoints"))
			return nil
		},
	}
}

// checkPrograms compares the configuration with the programs of this box and, where tor is
// one of them, has tor verify what is written for it. It reports whether it has warned of
// something.
func (a *app) checkPrograms(ctx context.Context, c *config.Config) (warned bool, err error) {
	var doubts []error
	if _, err := entry.Find(c); err != nil {
		doubts = append(doubts, err)
	} else if doubt, err := a.askTor(ctx, c); err != nil {
		return false, err
	} else if doubt != nil {
		doubts = append(doubts, fmt.Errorf("what is written for tor was not verified: %w", doubt))
	}
	doubts = append(doubts, a.lacking(ctx, c)...)
	if local, err := (machine.Kernel{}).LocalPrefixes(ctx); err == nil {
		doubts = append(doubts, onions.CheckTargets(c.Onions, slices.Concat(local, c.Household.Prefixes))...)
	}
	for _, err := range doubts {
		fmt.Fprintf(a.err, "tunic: warning: %v\n", err)
	}
	return len(doubts) > 0, nil
}

// lacking says which programs this box lacks. Who is not root has no packet filter on PATH
// where there is one.
func (a *app) lacking(ctx context.Context, c *config.Config) []error {
	list := desire.Missing(ctx, emptyHouse().features(), c)
	if a.uid != 0 {
		return list
	}
	_, err := netfilter.New(ctx, slog.New(slog.DiscardHandler))
	if errors.Is(err, netfilter.ErrNotInstalled) || errors.Is(err, netfilter.ErrTooOld) {
		list = append(list, err)
	}
	return list
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

// askTor has tor verify what the owner has written for it, if there is something. What
// keeps it from that is a doubt: that tor is not installed is no mistake of the configuration.
func (a *app) askTor(ctx context.Context, c *config.Config) (doubt, err error) {
	if len(c.Torrc)+len(c.Tor.Bridges)+len(c.Tor.Exits) == 0 {
		return nil, nil
	}
	user := feature.IDs{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if user.UID == 0 {
		if user, doubt = machine.User(config.TorUser); doubt != nil {
			return doubt, nil
		}
	}
	err = desire.CheckTor(ctx, emptyHouse().features(), c, user)
	if old := new(tor.TooOldError); errors.Is(err, tor.ErrNoTor) || errors.As(err, &old) {
		return err, nil
	}
	if err != nil {
		return nil, &failure{exitUsage, err, "the lines are in " + a.paths().TorrcDir() + " and in [tor] of " + a.paths().Main()}
	}
	return nil, nil
}
