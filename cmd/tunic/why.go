package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
)

// whyOptions are the flags of why.
type whyOptions struct {
	from     string
	own      bool
	pid      int
	port     uint16
	protocol string
	asJSON   bool
}

func whyCommand(a *app) *cobra.Command {
	var o whyOptions
	c := &cobra.Command{
		Use:   "why [ADDRESS]",
		Short: "Explain what happens to a connection, rule by rule",
		Long: `Why follows the first packet of a connection through the rules that are in
force, and prints each rule of tunic's that it meets, with how many packets that
rule has matched so far.

ADDRESS is a device (its name, MAC or IP address), whose usual connections are
explained, or with --from, --own or --pid the destination of one connection.
Rules of other programs stand below tunic's and are not looked at.`,
		Example: `  tunic why phone
  tunic why 198.51.100.1 --from phone --port 443 --protocol udp
  tunic why 198.51.100.1 --own
  tunic why --pid 4711`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError("write it so: "+whyOf(args[1], args[0]), "two words are too many: who sends is told by a flag")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			requests, err := o.requests(args)
			if err != nil {
				return err
			}
			answers := []api.Why{}
			for _, r := range requests {
				w, err := a.client().Why(cmd.Context(), r)
				if err != nil && len(answers) > 0 && r.To == api.Somewhere6 {
					continue // no household address of that family
				}
				if err != nil {
					return a.alsoPhone(alsoDestination(err, r), r)
				}
				answers = append(answers, w)
			}
			if o.asJSON {
				return a.json(answers)
			}
			for i, w := range answers {
				if i > 0 {
					a.printf("\n")
				}
				a.printWhy(w)
			}
			return nil
		},
	}
	c.Flags().StringVar(&o.from, "from", "", "the device that sends: its name, MAC or IP address")
	c.Flags().BoolVar(&o.own, "own", false, "the box itself sends, as root")
	c.Flags().IntVar(&o.pid, "pid", 0, "the box itself sends: the process with that number")
	c.Flags().Uint16Var(&o.port, "port", 443, "destination port")
	c.Flags().StringVar(&o.protocol, "protocol", "tcp", "tcp, udp, icmp, or the number of an IP protocol")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// alsoDestination says of an address that is no device's how to ask for it as a
// destination.
func alsoDestination(err error, r api.WhyRequest) error {
	f, ok := errors.AsType[*api.Failure](err)
	_, port := netip.ParseAddrPort(r.Device)
	if _, no := netip.ParseAddr(r.Device); ok && (no == nil || port == nil) {
		f.Hint += "; if it is a destination, say who sends: " + whyOf(r.Device, "DEVICE") + ", or --own"
	}
	return err
}

// whyOf is the command that asks about one destination, ADDRESS or ADDRESS:PORT.
func whyOf(to, from string) string {
	if one, err := netip.ParseAddrPort(to); err == nil {
		return fmt.Sprintf("tunic why %s --port %d --from %s", one.Addr(), one.Port(), from)
	}
	return "tunic why " + to + " --from " + from
}

// alsoPhone says of a name that is no device's that a phone away from home has it, which
// meets no rule of the packet filter.
func (a *app) alsoPhone(err error, r api.WhyRequest) error {
	f, ok := errors.AsType[*api.Failure](err)
	if phone := (config.Phone{Name: r.Device}); ok && config.IsPhoneOnion(a.paths(), phone.Onion()) {
		f.Hint = fmt.Sprintf("%s is a phone away from home, which comes by the onion %s: `tunic away` says how it is",
			phone.Name, phone.Onion())
	}
	return err
}

func (a *app) printWhy(w api.Why) {
	policy := ""
	if w.Policy != "" {
		policy = ", policy " + w.Policy
	}
	a.printf("%s%s: %s\n  %s\n", w.From, policy, w.To, w.Result)
	for _, r := range w.Rules {
		packets := "?"
		if r.Packets != nil {
			packets = strconv.FormatUint(*r.Packets, 10)
		}
		a.printf("  %8s packets  %-6s %-15s %2d  %s\n", packets, r.Table, r.Chain, r.Number, r.Rule)
	}
	if len(w.Rules) == 0 {
		a.printf("  no rule of tunic's matches\n")
	}
}

// requests are the questions that a command line comes down to.
func (o whyOptions) requests(args []string) ([]api.WhyRequest, error) {
	base := api.WhyRequest{Device: o.from, Own: o.own || o.pid != 0}
	if o.pid != 0 {
		uid, err := uidOf(o.pid)
		if err != nil {
			return nil, usageError("`ps` lists the processes", "%v", err)
		}
		base.UID = uid
	}
	switch {
	case base.Own && o.from != "":
		return nil, usageError("leave out one of the two", "either a device sends or the box itself")
	case len(args) == 0 && !base.Own:
		return nil, usageError("example: tunic why phone", "which device or destination?")
	case !base.Own && o.from == "": // the argument is the device
		base.Device = args[0]
		return api.Usual(base), nil
	case len(args) == 0 || args[0] == "":
		return api.Usual(base), nil
	}
	return o.one(base, args[0])
}

// one asks about one destination.
func (o whyOptions) one(r api.WhyRequest, to string) ([]api.WhyRequest, error) {
	addr, err := netip.ParseAddr(to)
	if one, no := netip.ParseAddrPort(to); no == nil {
		return nil, usageError(fmt.Sprintf("write it so: tunic why %s --port %d", one.Addr(), one.Port()),
			"the port of %q has a flag of its own", to)
	}
	if err != nil || addr.Zone() != "" {
		return nil, usageError("names are different for each device: ask for it there (dig NAME), then ask here for the address",
			"%q is not an IP address", to)
	}
	protocol := strings.ToLower(o.protocol)
	if protocol == "icmp" && addr.Is6() && !addr.Is4In6() {
		protocol = "ipv6-icmp"
	}
	if _, err := strconv.ParseUint(protocol, 10, 8); err != nil && protocol != "tcp" && protocol != "udp" &&
		!strings.HasSuffix(protocol, "icmp") {
		return nil, usageError("tcp, udp, icmp, or a number such as 47", "unknown protocol %q", o.protocol)
	}
	r.To, r.Protocol = to, protocol
	if protocol == "tcp" || protocol == "udp" {
		r.Port = o.port
	}
	return []api.WhyRequest{r}, nil
}

// uidOf returns the user whose packets a process sends (proc(5), the fourth
// number of Uid).
func uidOf(pid int) (uint32, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("there is no process %d", pid)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 5 && words[0] == "Uid:" {
			uid, err := strconv.ParseUint(words[4], 10, 32)
			return uint32(uid), err
		}
	}
	return 0, fmt.Errorf("process %d has no user", pid)
}
