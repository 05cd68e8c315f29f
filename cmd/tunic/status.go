package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
)

func statusCommand(a *app) *cobra.Command {
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Print how Tor, the household and the onions are, and what is wrong",
		Example: `  tunic status
  tunic status --json | jq .tor.bootstrap
  tunic status --watch`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for {
				s, err := a.client().Status(cmd.Context())
				if err != nil {
					return err
				}
				if watch && !asJSON {
					io.WriteString(raw(a.out), "\x1b[H\x1b[2J") // clear it (ECMA-48, CUP and ED)
				}
				if err := a.show(s, asJSON); err != nil || !watch {
					return err
				}
				if !pause(cmd.Context(), time.Second) {
					return nil
				}
			}
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&watch, "watch", false, "print it again every second until Ctrl-C")
	return c
}

// pause reports whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *app) show(s api.Status, asJSON bool) error {
	if asJSON {
		return a.json(s)
	}
	width := a.width()
	a.print(wrapped(oneLine(s.Fridge().String()), width, "") + "\n")
	a.printf("\ntunic %s\n", s.Version)
	a.printf("%s: %s\n", strings.TrimSpace("Tor "+s.Tor.Version), torWords(s.Tor))
	if s.FastTor != nil {
		a.printf("Tor for onions that are not anonymous: %s\n", torWords(*s.FastTor))
	}
	a.printf("Clock: %s\n", clockWords(s.Clock))
	a.printf("Second wall: %s\n", wallWords(s.Wall))
	a.printf("\nHousehold (default policy %s)\n", s.Household.DefaultPolicy)
	for _, i := range s.Household.Interfaces {
		words := strings.Join(i.Addresses, ", ")
		if !i.Present {
			words = "does not exist yet"
		}
		a.printf("  interface %-10s %s\n", i.Name, words)
	}
	for _, d := range s.Household.Devices {
		seen := strings.Join(d.Addresses, ", ")
		if seen == "" {
			seen = "not seen"
		}
		a.printf("  device    %-10s %s  %-7s %s\n", orDash(d.Name), d.MAC, d.Policy, seen)
	}
	a.printf("  %s\n", servedWords(s.Household.Served))
	a.printf("\nOnions\n")
	for _, o := range s.Onions {
		a.showOnion("  ", o)
	}
	a.printPhones(s.Phones)
	a.printServers(s.Servers)
	for _, l := range s.Leaks {
		a.printf("\nOutside Tor, as you asked: %s", l)
	}
	if len(s.Leaks) > 0 {
		a.printf("\n")
	}
	for _, f := range s.Findings {
		a.print("\n")
		a.printSeverity(f.Severity)
		word := severityWord(f.Severity)
		text := oneLine(fmt.Sprintf("%s %s: %s", word, f.Code, strings.TrimSpace(f.Text)))
		a.print(strings.TrimPrefix(wrapped(text, width, ""), word) + "\n" + wrapped(oneLine(f.Action), width, "  ") + "\n")
	}
	if len(s.Findings) > 0 {
		a.printf("\nWhat one of these means: tunic explain %s\n", s.Findings[0].Code)
	}
	return nil
}

func servedWords(s api.Served) string {
	words := fmt.Sprintf("asked for %d names, %d without an answer; %d connections by SOCKS", s.Questions, s.Unanswered, s.Connections)
	if s.Blocked > 0 {
		words += fmt.Sprintf("; %d blocked by a list", s.Blocked)
	}
	if s.Faults > 0 {
		words += fmt.Sprintf("; %d ended by a fault of tunic, see its log", s.Faults)
	}
	return words
}

func torWords(t api.Tor) string {
	if !t.Running {
		return "not running"
	}
	words := fmt.Sprintf("%d %%, %s", t.Bootstrap, t.Summary)
	if t.Restarts > 0 {
		words += fmt.Sprintf(", restarted %d times", t.Restarts)
	}
	return words
}

func clockWords(c api.Clock) string {
	var words []string
	if c.Kept {
		words = append(words, "kept by an NTP client")
	}
	if c.Relays > 0 {
		words = append(words, fmt.Sprintf("%d of %d Tor relays agreed on the time, to %.1f s", c.Relays, c.Asked, c.Error))
	}
	if !c.Trusted {
		words = append(words, "not certain")
	}
	return strings.Join(words, "; ")
}

func wallWords(w api.Wall) string {
	if w.Stands {
		return "stands: without the packet filter's rules nothing that a device sends gets out"
	}
	return "DOES NOT STAND: " + strings.Join(w.Wrong, "; ")
}

func clientNames(o api.Onion) string {
	var names []string
	invitations := 0
	for _, c := range o.Clients {
		if c.Invited {
			invitations++
		} else {
			names = append(names, c.Name)
		}
	}
	if invitations > 0 {
		names = append(names, count(invitations, "open invitation", "open invitations"))
	}
	return strings.Join(names, ", ")
}

// printOld lists the earlier addresses at which an onion is still found.
func (a *app) printOld(indent string, o api.Onion) {
	for _, old := range o.Old {
		words := "published"
		if !old.Published {
			words = "not published"
		}
		a.printf("%suntil %s also %s  %s\n", indent, moment(old.Until), old.Address, words)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func waitCommand(a *app) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:     "wait",
		Aliases: []string{"ready"}, // its name until the service manager's "ready" meant less
		Short:   "Wait until the household is on line and nothing is on its way",
		Long: `Wait waits until the household is open, onions have been published and servers have been
started, which ` + "`systemctl start tunic`" + ` does not. What is wrong with one of them it does not wait
for: ` + "`tunic status`" + ` has it. It prints what it is waiting for, and exits with
3 when the time is over.`,
		Example: "  tunic wait --timeout 60s && echo the house is on line",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := cmd.Context(), func() {}
			if cmd.Flags().Changed("timeout") || cmd.CalledAs() == "ready" {
				ctx, cancel = context.WithTimeout(ctx, timeout)
			}
			defer cancel()
			return a.waitReady(ctx)
		},
	}
	c.Flags().Var((*span)(&timeout), "timeout", "how long to wait; 0s asks once (default: as long as it takes)")
	return c
}

// waitReady asks until all is well or ctx ends; it asks at least once.
func (a *app) waitReady(ctx context.Context) error {
	last := ""
	for {
		s, err := a.client().Status(context.WithoutCancel(ctx))
		why := strings.TrimSpace(s.Why)
		switch {
		case errors.Is(err, api.ErrNotRunning):
			why = err.Error()
		case err != nil:
			return err
		case s.Ready:
			a.printf("ready\n")
			return nil
		}
		if why != last {
			fmt.Fprintf(a.err, "waiting: %s\n", why)
			last = why
		}
		if !pause(ctx, 250*time.Millisecond) {
			if err != nil {
				return &failure{exitNotReady, fmt.Errorf("not ready: %w", err), notRunning}
			}
			return &failure{exitNotReady, fmt.Errorf("not ready: %s", why), "see `tunic status`"}
		}
	}
}
