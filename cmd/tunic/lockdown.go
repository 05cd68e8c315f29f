package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/desire"
	"tunic/gateway/feature"
	"tunic/gateway/machine"
	"tunic/rules"
	"tunic/rules/netfilter"
)

func lockdownCommand(a *app) *cobra.Command {
	var boot bool
	c := &cobra.Command{
		Use:   "lockdown",
		Short: "Close everything: the household reaches nothing but the box",
		Long: `Lockdown loads the closed rules. It works with and without a daemon; at boot it
runs before the network is up. Nothing is forwarded from any interface, whether
the configuration names it or not, and the box takes nothing new from the internet
but [gateway] inbound. ` + "`tunic reload`" + ` opens the household again.`,
		Example: "  tunic lockdown",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if boot && a.client().InCharge(cmd.Context()) {
				a.printf("the daemon is in charge of the household: nothing was changed\n")
				return nil
			}
			opens := "`tunic reload`"
			err := a.client().Lockdown(cmd.Context())
			if errors.Is(err, api.ErrNotRunning) {
				opens, err = "`systemctl start tunic`", a.lockdownAlone(cmd.Context())
			}
			if err != nil {
				return err
			}
			a.printf("the household is closed\n")
			if !boot {
				fmt.Fprintf(a.err, "%s opens it again\n", opens)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&boot, "boot", false, "do nothing if a daemon is in charge (for the service at boot)")
	return c
}

// lockdownAlone loads the closed rules. With a broken configuration it closes
// all interfaces, and says so afterwards.
func (a *app) lockdownAlone(ctx context.Context) error {
	if a.uid != 0 {
		return &failure{exitFailed, errors.New("only root may change the rules"), asRoot}
	}
	k, err := netfilter.New(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	box := a.boxInputs()
	if box.Tor == (feature.IDs{}) {
		box.Tor.UID = noUID
	}
	in := rules.Input{Mode: rules.Lockdown, Default: rules.Block, OwnTor: true, OwnDNS: config.ServeOwnDNSPort,
		Carriers: []rules.Carrier{{UID: box.Tor.UID, TransPort: config.TransPort, DNSPort: config.DNSPort}}}
	for _, child := range box.Confined() {
		in.Children = append(in.Children, rules.Child{UID: child.UID})
	}
	c, configErr := config.Load(a.paths())
	if configErr == nil {
		// What cannot be read is not known yet, as at boot.
		box.Config = c
		box.Facts, _ = machine.Kernel{Kernel: k}.Facts(ctx, c.Household.Interfaces)
		box.Surroundings, _ = machine.Kernel{Kernel: k}.Surroundings(ctx, c.Household.Interfaces)
		in = desire.Closed(ctx, emptyHouse().features(), box)
		in.Group, _ = k.Group(ctx, c.Household.Interfaces) // one for which that fails is closed by its name
		in.Buckets = k.Buckets(ctx)
	}
	set, err := rules.Compile(in)
	if err != nil {
		return err
	}
	if err := k.Apply(ctx, set); err != nil {
		return err
	}
	if configErr != nil {
		return &failure{exitUsage, configErr, "every interface is closed until the configuration is right"}
	}
	return nil
}

// noUID belongs to nobody: no packet is tor's.
const noUID = 1<<32 - 2

func teardownCommand(a *app) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "teardown",
		Short: "Remove every trace of tunic's rules",
		Long: `Teardown removes tunic's chains and rules of routing policy from both families,
and nobody else's. From then on the household's traffic goes wherever the box's
other rules let it go, OUTSIDE TOR. Stop the daemon first. You are asked to confirm.
A start of the daemon, or of the box, protects the household again.`,
		Example: "  systemctl stop tunic && tunic teardown",
		RunE: func(cmd *cobra.Command, _ []string) error {
			lock, err := box.TakeLock(a.paths())
			if err != nil {
				return err
			}
			defer lock.Release()
			if !yes {
				if err := a.confirm("After this the household's traffic is no longer protected. Remove tunic's rules?"); err != nil {
					return err
				}
			}
			k, err := netfilter.New(cmd.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			if err := k.Teardown(cmd.Context()); err != nil {
				return err
			}
			a.printf("tunic's rules are removed\n")
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// confirm asks on the terminal; without one it refuses.
func (a *app) confirm(question string) error {
	f, ok := a.in.(*os.File)
	if !ok || !isTerminal(f) {
		return usageError("run it on a terminal, or add --yes", "confirmation needed: %s", question)
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	line, _ := bufio.NewReader(a.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &failure{code: exitFailed, err: errors.New("nothing was changed")}
	}
	return nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
