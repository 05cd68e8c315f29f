package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/machine"
	"tunic/internal/leaktest"
)

// attachFor is how long the leak test's interface counts as the household's.
const attachFor = 2 * time.Minute

func leaktestCommand(a *app) *cobra.Command {
	var asJSON bool
	var iface, policy string
	c := &cobra.Command{
		Use:   "leaktest",
		Short: "Try to leak: send all kinds of traffic as a device, and watch the uplinks",
		Long: `Leaktest puts a guest into the household for some seconds: a network namespace
with a cable to the household's bridge, or, where there is no bridge, with one
that the daemon treats as the household's. The guest takes a free address and
sends each kind of traffic that a device can send, to addresses that belong to
nobody (documentation prefixes). Meanwhile the uplinks are watched. On a bridge
it asks first, as a new device does, who is the router there: another one than
this box would lead devices past it. On another interface it cannot ask that.

A line is green when the household saw the packets and no uplink did. The exit
status is 1 if any line is not. Everything is removed afterwards, even if you
interrupt it. It shows what the rules do now; the states of a boot or a crash it cannot show.`,
		Example: "  tunic leaktest\n  tunic leaktest --interface br-guest\n  tunic leaktest --policy tor --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.leakOptions(cmd.Context(), iface, policy)
			if err != nil {
				return err
			}
			r, err := leaktest.Run(cmd.Context(), o)
			if err != nil {
				return leaktestError(cmd.Context(), err)
			}
			return a.showLeaks(r, asJSON)
		},
	}
	c.Flags().StringVar(&iface, "interface", "", "the household interface to be a guest of (the first)")
	c.Flags().StringVar(&policy, "policy", "", "the guest's policy (that of a device without a file)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(&cobra.Command{Use: "guest", Short: "The guest itself; started by `tunic leaktest`", Hidden: true,
		Example: "  tunic leaktest",
		RunE:    func(cmd *cobra.Command, _ []string) error { return leaktest.RunGuest(cmd.Context(), a.in, a.out) }})
	return c
}

// leaktestError says why there is no result. After Ctrl-C, which the guest gets
// too, the parts of the test end in an order that says nothing.
func leaktestError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &failure{code: exitFailed, err: errors.New("interrupted; nothing of the test is left")}
	}
	return fmt.Errorf("testing for leaks: %w", err)
}

// leakOptions finds the household's interface and what the guest is.
func (a *app) leakOptions(ctx context.Context, iface, policy string) (leaktest.Options, error) {
	o := leaktest.Options{Guest: []string{self, "leaktest", "guest"}}
	if os.Geteuid() != 0 {
		return o, &failure{exitFailed, errors.New("only root may make a guest of the household"), asRoot}
	}
	c, err := config.Load(a.paths())
	if err != nil {
		return o, err
	}
	if iface == "" {
		iface = c.Household.Interfaces[0]
	}
	facts, err := machine.Kernel{}.Facts(ctx, c.Household.Interfaces)
	if err != nil {
		return o, err
	}
	for _, i := range facts.Interfaces {
		if i.Name == iface {
			o.Household = leaktest.Household{Interfaces: c.Household.Interfaces, Join: iface, Box: i.Addresses}
		}
	}
	if o.Household.Join == "" {
		return o, usageError("the household has "+strings.Join(c.Household.Interfaces, ", "), "%q is no interface of the household", iface)
	}
	o.Attach = a.attachProbe
	p, err := checkGuest(policy, c.Household.DefaultPolicy)
	if err != nil {
		return o, err
	}
	if outside(p) {
		fmt.Fprintf(a.err, "a guest with the policy %s goes outside Tor: what is red below is no leak, but shows what this test sees\n", p)
	}
	if policy != "" {
		o.Policy = func(ctx context.Context, mac string) (func() error, error) {
			set := func(d time.Duration) error {
				_, err := a.client().SetDevice(context.WithoutCancel(ctx), api.DeviceRequest{Device: mac, Policy: policy, For: d})
				return err
			}
			return func() error { return set(time.Second) }, set(attachFor)
		}
	}
	return o, nil
}

// checkGuest reads the policy of the guest; without one it has that of devices without a
// file, which must not let it out: there would be leaks that are none.
func checkGuest(policy string, none config.Policy) (config.Policy, error) {
	if policy != "" {
		p, err := config.ParsePolicy(policy)
		if err != nil {
			return "", wrongInput(err, "")
		}
		return p, nil
	}
	if outside(none) {
		return "", usageError("test with a policy that forbids: tunic leaktest --policy tor",
			"devices without a file go outside Tor (default-policy = %s), so a guest would show that only", none)
	}
	return none, nil
}

// outside reports whether a device with the policy goes outside Tor.
func outside(p config.Policy) bool { return p == config.PolicyDirect || p == config.PolicyOnion }

// attachProbe has the daemon treat an interface as the household's.
func (a *app) attachProbe(ctx context.Context, name string) (func() error, error) {
	undo := func() error { return a.client().Probe(context.WithoutCancel(ctx), api.ProbeRequest{Interface: name}) }
	if err := a.client().Probe(ctx, api.ProbeRequest{Interface: name, For: attachFor}); errors.Is(err, api.ErrNotRunning) {
		return nil, err // there is nothing to undo
	} else if err != nil {
		return undo, err
	}
	return undo, nil
}

// showLeaks prints the lines and fails if one is not green.
func (a *app) showLeaks(r leaktest.Results, asJSON bool) error {
	leaked, unsent := 0, 0
	for _, c := range r.Classes {
		switch {
		case c.Leaks():
			leaked++
		case c.Sent == 0:
			unsent++
		}
	}
	if asJSON {
		if err := a.json(r); err != nil {
			return err
		}
	} else {
		a.printLeaks(r)
	}
	switch {
	case leaked > 0:
		return &failure{exitFailed, fmt.Errorf("%d kinds of traffic leak", leaked),
			"`tunic status` and `tunic why` may say why; `tunic lockdown` closes everything meanwhile"}
	case unsent > 0:
		return &failure{exitFailed, fmt.Errorf("%d kinds of traffic could not be sent, so nothing is known of them", unsent),
			"`tunic status` says whether the household's interface is well"}
	}
	return nil
}

func (a *app) printLeaks(r leaktest.Results) {
	a.printf("guest of the household: %s; watched: %s\n", strings.Join(r.Guest, ", "), strings.Join(r.Uplinks, ", "))
	if !hasIPv6(r.Guest) {
		a.printf("the household has no IPv6 network, so only IPv4 was tried\n")
	}
	if !slices.ContainsFunc(r.Classes, func(c leaktest.Result) bool { return c.ID == leaktest.RouterID }) {
		a.printf("who else says that it is a router was not asked, because the household's interface is no bridge: " +
			"look on a device which gateway it has\n")
	}
	for _, c := range r.Classes {
		word := "green"
		switch {
		case c.Leaks():
			word = "RED  "
		case c.Sent == 0:
			word = "?    "
		}
		a.printf("%s  %4d sent  %4d leaked  %s\n", word, c.Sent, c.Leaked, c.Name)
		if c.Action != "" {
			a.printf("       %s\n", c.Action)
		}
	}
}

func hasIPv6(addrs []string) bool {
	for _, text := range addrs {
		if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
			return true
		}
	}
	return false
}
