package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/feature/networks"
	"tunic/gateway/machine"
	"tunic/rules/netfilter"
)

func planCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Print what a reload would change, in words and rule by rule",
		Long: `Plan compares the configuration files with those in force. It says in words what
` + "`tunic reload`" + ` would change for devices, onions, friends and what is reached outside
Tor, then in detail: the files that were changed, lines of the torrc, rules,
listeners, ports of onions, servers. + comes, - goes, ~ is another than it was, and ! is what follows. A password
is not shown, only that it is another. Plan changes nothing. When no daemon runs it
prints everything that one would set up.`,
		Example: "  tunic plan",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.client().Plan(cmd.Context())
			if errors.Is(err, api.ErrNotRunning) {
				p, err = planAlone(cmd.Context(), a)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(p)
			}
			a.warnOfPlan(cmd.Context())
			printPlan(a, p, a.inShort(cmd.Context(), p))
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// warnOfPlan says what the files would do to the interfaces that this box has.
// Who cannot read them has been told so by the plan.
func (a *app) warnOfPlan(ctx context.Context) {
	c, err := config.Load(a.paths())
	if err != nil {
		return
	}
	around, _ := machine.Kernel{}.Surroundings(ctx, c.Household.Interfaces)
	for _, w := range cautions(networks.Surroundings(c, around)) {
		fmt.Fprintf(a.err, "tunic: warning: %s\n", w)
	}
}

// printPlan prints a plan below what it means in short.
func printPlan(a *app, p api.Plan, short []string) {
	switch {
	case !p.Running:
		a.printf("the daemon is not running; it would set up:\n")
	case len(p.Changes)+len(p.Files) == 0:
		a.printf("no file was changed: a reload would change nothing\n")
	case len(p.Changes) == 0:
		a.printf("these files were changed, and a reload would change nothing:\n")
	}
	if len(short) > 0 {
		a.print(strings.Join(append(short, "in detail:"), "\n") + "\n")
	}
	for _, line := range p.Files {
		sign, name, _ := strings.Cut(line, " ")
		a.print(sign + " file " + name + "\n")
	}
	if p.Closed != "" {
		fmt.Fprintf(a.err, "the household is closed now (%s); what opens it is not listed here\n", p.Closed)
	}
	for _, line := range p.Changes {
		a.print(line + "\n")
	}
}

func reloadCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Apply the configuration files",
		Long: `Reload validates everything, then changes what differs and nothing else. With
any mistake in the files nothing changes. It also ends a lockdown.`,
		Example: "  tunic plan && tunic reload",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.client().Reload(cmd.Context()); err != nil {
				return err
			}
			a.printf("reloaded\n")
			return nil
		},
	}
}

func planAlone(ctx context.Context, a *app) (api.Plan, error) {
	k, err := netfilter.New(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return api.Plan{}, err
	}
	in := a.boxInputs()
	if in.Tor == (feature.IDs{}) || in.Serve == (feature.IDs{}) {
		_, err := machine.User(config.TorUser)
		_, err2 := machine.User(config.ServeUser)
		return api.Plan{}, errors.Join(err, err2)
	}
	plan, err := desire.Plan(ctx, machine.Kernel{Kernel: k}, emptyHouse().features(), in)
	if err != nil {
		return plan, err
	}
	wrong, err := k.Wall()
	plan.Changes = append(gateway.WallChanges(wrong), plan.Changes...)
	return plan, err
}

// boxInputs has the paths and the system users of this box; one that does not
// exist is zero.
func (a *app) boxInputs() desire.Inputs {
	return desire.Inputs{Scene: feature.Scene{Paths: a.paths(), ChildIDs: machine.ChildUsers()}}
}
