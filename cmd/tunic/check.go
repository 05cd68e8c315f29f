package main

import (
	"cmp"
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
	var asJSON bool
	c := &cobra.Command{
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
		Example: "  tunic check && tunic reload\n  tunic check --json | jq -r '.warnings[].text'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(a.paths())
			if err != nil {
				return err
			}
			if err := entry.CheckSnippets(a.paths(), c); err != nil {
				return &failure{code: exitUsage, err: err}
			}
			cautions, err := a.checkBox(cmd.Context(), c)
			if asJSON && err == nil {
				return a.json(map[string]any{"devices": len(c.Devices), "onions": len(c.Onions), "endpoints": len(c.Endpoints),
					"warnings": cautions})
			}
			for _, w := range cautions {
				fmt.Fprintf(a.err, "tunic: warning: %s\n", w)
			}
			if err != nil {
				return err
			}
			words := "the configuration is right"
			if len(cautions) > 0 {
				words = "the files have no mistake, but see the warnings"
			}
			a.printf("%s: %s, %s, %s\n", words, count(len(c.Devices), "device", "devices"),
				count(len(c.Onions), "onion", "onions"), count(len(c.Endpoints), "endpoint", "endpoints"))
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// caution is something about this box that is no mistake of the files, with what to do if
// the text does not say it.
type caution struct {
	Text   string `json:"text"`
	Action string `json:"action,omitempty"`
}

func (c caution) String() string {
	if c.Action == "" {
		return c.Text
	}
	return c.Text + "\n  " + c.Action
}

// checkBox compares the configuration with this box: its programs, of which tor verifies what is
// written for it, and its interfaces.
func (a *app) checkBox(ctx context.Context, c *config.Config) ([]caution, error) {
	ask := func() error { return a.askTor(ctx, c) }
	if _, err := entry.Find(c); err != nil {
		ask = func() error { return notVerified{err} }
	}
	// Two other programs are asked, which takes longer than all else.
	tors := meanwhile(ask)
	missing := meanwhile(func() []error { return a.missing(ctx, c) })
	around := checkInterfaces(ctx, a.paths(), c)
	doubts, err := missing(), tors()
	if why, ok := errors.AsType[notVerified](err); ok {
		doubts, err = slices.Insert(doubts, 0, why.error), nil
	}
	if around.unread != nil {
		doubts = append(doubts, fmt.Errorf("the interfaces of this box were not read: %w", around.unread))
	}
	list := []caution{}
	for _, doubt := range doubts {
		list = append(list, caution{Text: doubt.Error()})
	}
	return append(list, cautions(around.findings)...), cmp.Or(err, around.mistake)
}

// missing is what this box lacks for a configuration, and what leads out of it.
func (a *app) missing(ctx context.Context, c *config.Config) []error {
	list := a.lacking(ctx, c)
	if local, err := (machine.Kernel{}).LocalPrefixes(ctx); err == nil {
		list = append(list, onions.CheckTargets(c.Onions, slices.Concat(local, c.Household.Prefixes))...)
	}
	return list
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

// seenAround is what the interfaces that this box has now say of a configuration.
type seenAround struct {
	unread   error // there is nothing to compare with
	findings []health.Finding
	mistake  error
}

// checkInterfaces compares the configuration with the interfaces.
func checkInterfaces(ctx context.Context, p config.Paths, c *config.Config) seenAround {
	around, err := machine.Kernel{}.Surroundings(ctx, c.Household.Interfaces)
	if err != nil && len(around.Links) == 0 {
		return seenAround{unread: err}
	}
	if err := networks.RefuseUplink(c, around.Links); err != nil {
		return seenAround{mistake: &failure{code: exitUsage, err: err}}
	}
	if err := checkRules(ctx, p, c, around); err != nil {
		return seenAround{mistake: err}
	}
	return seenAround{findings: networks.Surroundings(c, around)}
}

// checkRules has the rules made for the interfaces that this box has now. What cannot
// be read, as by who is not root, is not looked at.
func checkRules(ctx context.Context, p config.Paths, c *config.Config, around feature.Surroundings) error {
	facts, err := machine.Kernel{}.Facts(ctx, c.Household.Interfaces)
	if err != nil {
		return nil
	}
	s := feature.Scene{Config: c, Facts: facts, Surroundings: around}
	if local, err := (machine.Kernel{}).LocalPrefixes(ctx); err == nil {
		s.Ranges, _, _ = box.FindRanges(p.StateFile(), local)
	}
	if faults := desire.CheckRules(ctx, emptyHouse().features(), s); len(faults) > 0 {
		return &failure{exitUsage, errors.Join(faults...), "`tunic explain network-unfit` says more"}
	}
	return nil
}

// cautions are findings for somebody who asks no daemon.
func cautions(findings []health.Finding) (list []caution) {
	for _, f := range findings {
		list = append(list, caution{f.Text, f.Action})
	}
	return list
}

// askTor has tor verify what the owner has written for it, if there is something.
// That tor is not installed is no mistake of the configuration: the error is a notVerified.
func (a *app) askTor(ctx context.Context, c *config.Config) error {
	if len(c.Torrc)+len(c.Tor.Bridges)+len(c.Tor.Exits) == 0 {
		return nil
	}
	user, err := feature.IDs{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}, error(nil)
	if user.UID == 0 {
		user, err = machine.User(config.TorUser)
	}
	if err != nil {
		return notVerified{unknownToTor(err)}
	}
	err = desire.CheckTor(ctx, emptyHouse().features(), c, user)
	if old := new(tor.TooOldError); errors.Is(err, tor.ErrNoTor) || errors.As(err, &old) {
		return notVerified{unknownToTor(err)}
	}
	if err != nil {
		return &failure{exitUsage, err, "the lines are in " + a.paths().TorrcDir() + " and in [tor] of " + a.paths().Main()}
	}
	return nil
}

func unknownToTor(why error) error {
	return fmt.Errorf("what is written for tor was not verified: %w", why)
}

// notVerified is why tor could not say whether it takes a configuration.
type notVerified struct{ error }

// meanwhile begins something that takes its time, and returns what waits for it.
func meanwhile[T any](do func() T) (wait func() T) {
	done := make(chan T, 1)
	go func() { done <- do() }()
	return func() T { return <-done }
}
