package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/feature/household"
)

func devicesCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "devices",
		Short: "List the household's devices with their policies",
		Long: `Devices lists those that have a file, and those that the kernel or a DHCP
server on this box (dnsmasq, Pi-hole, Kea, ISC dhcpd, odhcpd; where Debian and
OpenWrt keep their leases) knows. A name in parentheses is what the device calls
itself: it may call itself anything. Where another box gives out the addresses,
names come from files alone. tunic device NAME --mac ADDRESS gives one a name.`,
		Example: "  tunic devices\n  tunic devices --json | jq '.[] | select(.policy == \"direct\")'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.client().Devices(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			for _, d := range list {
				a.printf("%s\n", deviceLine(d))
			}
			a.adviseOnNames(list)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// adviseOnNames says how a device without a name gets one, which verbs and files
// call it by.
func (a *app) adviseOnNames(list []api.Device) {
	if len(list) == 0 {
		a.printf("no device is known yet\n")
	}
	nameless := func(d api.Device) bool { return d.Name == "" }
	if i := slices.IndexFunc(list, nameless); i >= 0 {
		fmt.Fprintf(a.err, "a device without a name gets one so: tunic device NAME --mac %s\n", list[i].MAC)
	}
}

// deviceLine describes a device in one line.
func deviceLine(d api.Device) string {
	name := orDash(d.Name)
	if d.Named == "lease" {
		name = "(" + name + ")"
	}
	seen := "not seen"
	if d.Seen {
		seen = "seen"
	}
	line := fmt.Sprintf("%-14s %s  %-7s %-9s %s", name, d.MAC, d.Policy, seen, strings.Join(d.Addresses, ", "))
	if d.Until != nil {
		line += fmt.Sprintf("  (until %s, then %s)", d.Until.Local().Format("2006-01-02 15:04:05"), d.Then)
	}
	return strings.TrimRight(line, " ")
}

func deviceCommand(a *app) *cobra.Command {
	var asJSON bool
	var r api.DeviceRequest
	c := &cobra.Command{
		Use:   "device NAME",
		Short: "Show a device, or change its name, address or policy",
		Long: `Without a flag, device shows one device. With flags it writes devices/NAME.toml
and applies it; comments in the file stay. A device that the DHCP server knows
by that name needs no --mac; look at the address that is printed, since a
device may call itself anything.

With --for the policy holds for that long only: it is kept beside the files,
also over a restart, and ends by itself, early rather than late when the box's
clock was changed; --for 0s ends it now. When a policy gets stricter, the open
connections end.

To forget a device's name and policy delete its file, and run ` + "`tunic reload`" + `.`,
		Example: `  tunic device phone
  tunic device tv --mac 02:00:5e:10:00:01 --policy direct
  tunic device console --policy direct --for 2h
  tunic device console --for 0s     # the two hours are over`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Device = args[0]
			d, err := a.device(cmd, r)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(d)
			}
			a.printf("%s\n", deviceLine(d))
			return nil
		},
	}
	c.Flags().StringVar(&r.MAC, "mac", "", "its hardware address")
	c.Flags().StringVar(&r.Policy, "policy", "", "tor, onion, direct or block")
	c.Flags().Var((*span)(&r.For), "for", "how long the policy holds (for good); 0s ends it now")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// device shows or changes a device.
func (a *app) device(cmd *cobra.Command, r api.DeviceRequest) (api.Device, error) {
	changed := slices.ContainsFunc([]string{"mac", "policy", "for"}, func(f string) bool { return cmd.Flags().Changed(f) })
	if !changed {
		return a.showDevice(cmd, r.Device)
	}
	if r.End = cmd.Flags().Changed("for") && r.For == 0 && r.Policy == "" && r.MAC == ""; r.End {
		return a.client().SetDevice(cmd.Context(), r)
	}
	if cmd.Flags().Changed("for") && r.For <= 0 {
		return api.Device{}, usageError("example: tunic device "+r.Device+" --policy direct --for 2h",
			"--for: %v", api.CheckSpan(r.For, household.LongestPolicy))
	}
	d, err := a.client().SetDevice(cmd.Context(), r)
	if errors.Is(err, api.ErrNotRunning) && r.For == 0 {
		return a.deviceAlone(r)
	}
	return d, err
}

func (a *app) showDevice(cmd *cobra.Command, word string) (api.Device, error) {
	list, err := a.client().Devices(cmd.Context())
	if err != nil {
		return api.Device{}, err
	}
	i := slices.IndexFunc(list, func(d api.Device) bool {
		return d.Name == word || strings.EqualFold(d.MAC, word) || slices.Contains(d.Addresses, word)
	})
	if i < 0 {
		return api.Device{}, usageError(config.NamingHint(word), "no device is known as %q", word)
	}
	return list[i], nil
}

// deviceAlone writes the file for the next start of the daemon.
func (a *app) deviceAlone(r api.DeviceRequest) (api.Device, error) {
	e := config.DeviceEdit{Name: r.Device}
	var err error
	if r.MAC != "" {
		if e.MAC, err = config.ParseMAC(r.MAC); err != nil {
			return api.Device{}, wrongInput(err, "")
		}
	}
	if r.Policy != "" {
		if e.Policy, err = config.ParsePolicy(r.Policy); err != nil {
			return api.Device{}, wrongInput(err, "")
		}
	}
	if _, err := config.Load(a.paths()); err != nil {
		return api.Device{}, wrongInput(err, "nothing was changed")
	}
	write := func() error { return config.EditDevice(a.paths(), e) }
	if err := feature.EditAlone(a.paths(), write, a.paths().DeviceFile(e.Name)); err != nil {
		return api.Device{}, err
	}
	c, err := config.Load(a.paths())
	if err != nil {
		return api.Device{}, wrongInput(err, "")
	}
	fmt.Fprintf(a.err, "%s is written; it is in force when the daemon runs (systemctl start tunic)\n", r.Device)
	i := slices.IndexFunc(c.Devices, func(d config.Device) bool { return d.Name == r.Device })
	if i < 0 {
		return api.Device{}, fmt.Errorf("the device %q has no file", r.Device)
	}
	d := c.Devices[i]
	return api.Device{Name: d.Name, Named: "file", MAC: d.MAC, Policy: string(d.Policy), Addresses: []string{}}, nil
}

func portalCommand(a *app) *cobra.Command {
	var asJSON bool
	var r api.PortalRequest
	c := &cobra.Command{
		Use:   "portal DEVICE",
		Short: "Let one device log in to the network that this box is a guest of",
		Long: `A hotel or a train lets nobody out before somebody has pressed a button on its
page. Portal lets one device reach web pages (TCP 80 and 443) outside Tor, and
sends its names to that network's DNS server. It works while the household is
closed, because Tor cannot connect yet. The box itself stays closed, and so does
everything else of the device.

WHAT THE DEVICE OPENS MEANWHILE IS NOT ANONYMOUS: close its other programs, use
a private browser window, open http://neverssl.com or any http:// page.

It closes when Tor is connected, when the time is over (10 minutes if no other
is given, an hour at most), also over a restart, or with --close.`,
		Example: `  tunic portal phone --for 10m
  tunic portal phone --to 10.0.0.0/24 --resolver 10.0.0.1
  tunic portal phone --close`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Device = args[0]
			if cmd.Flags().Changed("for") && r.For <= 0 {
				return usageError("example: tunic portal "+r.Device+" --for 10m; --close ends it before", "--for: %v",
					api.CheckSpan(r.For, household.LongestPortal))
			}
			p, err := a.client().Portal(cmd.Context(), r)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(p)
			}
			a.printf("%s\n", portalLine(p, r.Close))
			return nil
		},
	}
	c.Flags().Var((*span)(&r.For), "for", "how long it stays open at most (10m)")
	c.Flags().StringArrayVar(&r.To, "to", nil, "the only addresses or networks that it may reach (anywhere)")
	c.Flags().StringVar(&r.Resolver, "resolver", "", "that network's DNS server (the one that the box was told of)")
	c.Flags().BoolVar(&r.Close, "close", false, "close it now")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func portalLine(p api.Portal, closed bool) string {
	who := cmp.Or(p.Name, p.MAC)
	if closed {
		return "the portal for " + who + " is closed"
	}
	where := "any web page"
	if len(p.To) > 0 {
		where = "web pages at " + strings.Join(p.To, ", ")
	}
	line := fmt.Sprintf("%s reaches %s OUTSIDE TOR until %s, and asks %s for names", who, where,
		p.Until.Local().Format(time.TimeOnly), strings.Join(p.Resolvers, ", "))
	if p.UntilTor {
		return line + "; it closes when Tor is connected"
	}
	line += "; Tor is connected, so no log-in page seems to be in the way"
	return line
}

func newIdentityCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "new-identity [DEVICE]",
		Aliases: []string{"newnym"}, // tor's name for the half of it, and the verb's once
		Short:   "Get new circuits, for all or for one device",
		Long: `Without a device, tor uses no old circuit for new connections (its signal
NEWNYM, at most once in ten seconds). Open connections go on.

With a device, the circuits that its connections have used are closed, and with
them those connections; its names and its SOCKS connections get another
identity towards tor. Each of its addresses counts that the box knows now.

What this cannot do: hide that it is the same device from a site that recognises
the browser; change a circuit that tor had built for the device but that it has
not used yet; promise another exit, since a new circuit may choose the same; or
close what an address did that the device gave up long ago.`,
		Example: "  tunic new-identity\n  tunic new-identity phone",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var r api.NewNymRequest
			if len(args) > 0 {
				if r.Device = args[0]; r.Device == "" {
					return usageError("leave it out for all devices", "the name of the device is empty")
				}
			}
			n, err := a.client().NewNym(cmd.Context(), r)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(n)
			}
			if r.Device == "" {
				a.printf("new connections get new circuits\n")
				return nil
			}
			closed := count(n.Circuits, "circuit is", "circuits are")
			a.printf("%s (%s): %s closed, new connections get new ones\n", r.Device, strings.Join(n.Addresses, ", "), closed)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
