package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tunic/gateway/api"
)

func onionsCommand(a *app) *cobra.Command {
	var asJSON, check bool
	c := &cobra.Command{
		Use:   "onions [NAME...]",
		Short: "List the onions, and whether visitors get to them",
		Long: `Onions lists addresses and ports, in how many directories each onion can be
found, whether this box gets to it through Tor as a visitor would, and whether
the targets are up and speak what they should. The box finds that out by itself
now and then; with --check it does so now, and the exit status is 3 if something
is not reachable.`,
		Example: `  tunic onions
  tunic onions photos --check
  tunic onions --json | jq '.[] | select(.visitors == "no")'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			list, err := chosen(s.Onions, args)
			if err != nil {
				return err
			}
			if check {
				return a.checkOnions(cmd.Context(), list, asJSON)
			}
			if asJSON {
				return a.json(list)
			}
			for _, o := range list {
				a.showOnion("", o)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&check, "check", false, "call each onion through Tor and ask each target now")
	return c
}

// chosen are the named onions, or all.
func chosen(all []api.Onion, names []string) ([]api.Onion, error) {
	if len(names) == 0 {
		return all, nil
	}
	list := []api.Onion{}
	for _, name := range names {
		i := slices.IndexFunc(all, func(o api.Onion) bool { return o.Name == name })
		if i < 0 {
			return nil, usageError("`tunic onions` lists them", "there is no onion %q", name)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// checksAtOnce bounds the calls that are under way: a call builds circuits.
const checksAtOnce = 4

// checkOnions has the daemon call onions, and shows each when it and those
// before it are done.
func (a *app) checkOnions(ctx context.Context, list []api.Onion, asJSON bool) error {
	var group errgroup.Group
	group.SetLimit(checksAtOnce)
	errs := make([]error, len(list))
	done := make([]chan struct{}, len(list))
	names := make([]string, len(list))
	for i, o := range list {
		done[i], names[i] = make(chan struct{}), o.Name
	}
	go func() {
		for i := range list {
			group.Go(func() error {
				defer close(done[i])
				if o, err := a.client().Check(ctx, names[i]); err != nil {
					errs[i] = err
				} else {
					list[i] = o
				}
				return nil
			})
		}
	}()
	unreachable := []string{}
	for i := range list {
		<-done[i]
		switch {
		case errs[i] != nil:
			fmt.Fprintf(a.err, "%v\n", errs[i])
			unreachable = append(unreachable, names[i])
			continue
		case !gotThrough(list[i]):
			unreachable = append(unreachable, names[i])
		}
		if !asJSON {
			a.showOnion("", list[i])
		}
	}
	if asJSON {
		if err := a.json(list); err != nil {
			return err
		}
	}
	if len(unreachable) > 0 {
		return &failure{exitNotReady, fmt.Errorf("not reachable: %s", strings.Join(unreachable, ", ")), "`tunic status` says what to do"}
	}
	return nil
}

// gotThrough reports whether visitors get to all of an onion. One that nobody
// may visit has nothing to reach.
func gotThrough(o api.Onion) bool {
	return !o.Findable() || o.Published && (o.Private || o.Visitors == api.Yes) &&
		!slices.ContainsFunc(o.Ports, func(p api.Port) bool { return !p.Reachable || p.Call != nil && !p.Call.OK })
}

// showOnion prints what status and onions say of one.
func (a *app) showOnion(indent string, o api.Onion) {
	a.printf("%s%-10s %s  %s\n", indent, o.Name, o.Address, publishedWords(o, time.Now()))
	a.printOld(indent+"  ", o)
	for _, p := range o.Ports {
		a.printf("%s  port %-5d -> %s  %s\n", indent, p.Port, p.Target, portWords(p, time.Now()))
	}
}

func publishedWords(o api.Onion, now time.Time) string {
	words := ""
	if !o.Anonymous {
		words = "NOT anonymous, "
	}
	if o.Private {
		words += "private, for " + orDash(clientNames(o)) + ", "
	}
	switch {
	case !o.Key:
		return "no keys yet"
	case !o.Findable():
		return strings.Replace(words, "for -, ", "for nobody, ", 1) + "not published"
	case !o.Published:
		return words + "not published; " + visitorWords(o, now)
	}
	words += fmt.Sprintf("in %s", count(o.Directories, "directory", "directories"))
	if o.UploadedAt != nil {
		words += ", uploaded " + ago(*o.UploadedAt, now)
	}
	if o.Refused > 0 {
		words += fmt.Sprintf(" (%d refused)", o.Refused)
	}
	words += "; " + visitorWords(o, now)
	if o.Repairs > 0 && o.RepairedAt != nil {
		words += fmt.Sprintf("; published again %s, %s", count(o.Repairs, "time", "times"), ago(*o.RepairedAt, now))
	}
	return words + fmt.Sprintf("; %s", count(int(o.Streams), "stream", "streams"))
}

// visitorWords say what the last call through Tor found.
func visitorWords(o api.Onion, now time.Time) string {
	for _, p := range o.Ports {
		if c := p.Call; c != nil && (o.Visitors == api.Yes || !c.OK) {
			if c.OK {
				return fmt.Sprintf("reached through Tor %s in %.1f s", ago(c.At, now), c.Seconds)
			}
			words := fmt.Sprintf("NOT reached through Tor %s: %s", ago(c.At, now), c.Error)
			if c.LastOK != nil {
				words += ", the last time " + ago(*c.LastOK, now)
			}
			return words
		}
	}
	return "not tested yet"
}

func portWords(p api.Port, now time.Time) string {
	words := "reachable"
	switch {
	case !p.Reachable && !p.Down():
		words = "not tested yet"
	case !p.Reachable:
		words = "NOT reachable: " + p.Error
		if p.LastUp != nil {
			words += ", last up " + ago(*p.LastUp, now)
		}
	case p.Refuses:
		words = "reachable, but it REFUSES the onion's name"
	}
	if p.Saw != "" {
		words += " (" + p.Saw + ")"
	}
	return words
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// ago says how long ago something was, as people do.
func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < 10*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}
