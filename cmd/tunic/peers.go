package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
)

func friendsCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "friends",
		Aliases: []string{"peers"}, // its name once
		Short:   "List friends' boxes and invitations, and how they are",
		Long: `Friends lists friends with what their boxes offer and when they were last seen, and
the invitations that are under way, with what to do about each.`,
		Example: "  tunic friends\n  tunic friends --json | jq '.[] | select(.state == \"confirm\") | .words'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.client().Peers(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			for _, p := range list {
				a.print(peerLines(p, time.Now()))
			}
			if len(list) == 0 {
				a.printf("no friends yet: `tunic invite NAME` makes an invitation for a friend's box\n")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// peerLines describe a friend or an invitation.
func peerLines(p api.Peer, now time.Time) string {
	var b strings.Builder
	line := func(words ...string) { b.WriteString("    " + oneLine(strings.Join(words, "")) + "\n") }
	b.WriteString(oneLine(p.Name+": "+p.Text) + "\n")
	if p.State == api.PeerFriend {
		seen := "not seen yet"
		if p.LastSeen != nil {
			seen = "seen " + since(*p.LastSeen, now)
		}
		if p.RoundTrip > 0 {
			seen += ", round trip " + (time.Duration(p.RoundTrip) * time.Millisecond).String()
		}
		line(p.Address, "  ", seen)
		if len(p.Endpoints)+len(p.Onions) > 0 {
			line("offers: ", strings.Join(append(p.Endpoints, p.Onions...), ", "))
		}
		if len(p.Services) > 0 {
			line("services for you: ", strings.Join(serviceNames(p.Services), ", "))
		}
	} else if p.Expires != nil && (p.State == api.PeerInvited || p.State == api.PeerAccepted || p.State == api.PeerIntroduced) {
		line("until ", p.Expires.Local().Format("2006-01-02 15:04"))
	}
	if p.Words != "" && p.State != api.PeerFriend {
		line("four words: ", p.Words)
	}
	for _, w := range p.Waiting {
		line("waits here: ", w)
	}
	return b.String()
}

// serviceNames are services by name, and where they are.
func serviceNames(list []api.PeerService) (names []string) {
	for _, s := range list {
		name := s.Name
		if s.Port != 0 {
			name += fmt.Sprintf(" (port %d)", s.Port)
		}
		names = append(names, name)
	}
	return names
}

func forgetCommand(a *app) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "forget FRIEND",
		Short: "End a friendship or an invitation, at once",
		Long: `Forget removes a friend. When it returns that box cannot reach this one any more,
whatever it has remembered: the onions that it could find are published again, so
other friends' connections break off and are there again within seconds. That box
is not told. An invitation is withdrawn. You are asked to confirm.

The friend can be invited again later.`,
		Example: "  tunic forget alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				list, err := a.client().Peers(cmd.Context())
				if err != nil {
					return err
				}
				if !slices.ContainsFunc(list, func(p api.Peer) bool { return p.Name == args[0] }) {
					return usageError("`tunic friends` lists friends and invitations", "there is no such friend or invitation: %q", args[0])
				}
				if err := a.confirm("Forget " + args[0] + "? That box will not reach this one any more."); err != nil {
					return err
				}
			}
			if err := a.client().Forget(cmd.Context(), api.PeerRequest{Name: args[0]}); err != nil {
				return err
			}
			a.printf("%s is forgotten\n", args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func renameCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "rename FRIEND NAME",
		Short: "Give a friend another name in this house",
		Long: `Rename changes what this house calls a friend's box, and with it the names that
end in FRIEND.peer.home.arpa. What the friend's house calls this one stays.`,
		Example: "  tunic rename alice aunt-alice",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.client().Rename(cmd.Context(), api.RenameRequest{From: args[0], To: args[1]})
			if err != nil {
				return err
			}
			a.printf("%s is called %s now: %s\n", args[0], p.Name, p.Address)
			return nil
		},
	}
}
