package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
)

func inviteCommand(a *app) *cobra.Command {
	var asJSON bool
	var r api.InviteRequest
	c := &cobra.Command{
		Use:   "invite FRIEND",
		Short: "Make an invitation for a friend's box",
		Long: `Invite prints an invitation code, also as a QR code, that makes a friend of the box on
which "tunic accept CODE" is run. FRIEND is what this house will call it: its names end
in FRIEND.peer.home.arpa. Give the code to your friend alone: until it has been used,
whoever has it can use it, for 7 days, once.

The boxes need not be on line at the same time. When the other box has come,
"tunic friends" shows four words; compare them with your friend, by voice, and run
"tunic confirm FRIEND". With --auto nobody is asked.

For a friend the invitation renews the keys, and only that friend's box can use it. The
same again prints the same code; "tunic forget FRIEND" withdraws it.`,
		Example: "  tunic invite alice\n  tunic invite alice --me bob --auto",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			if isInvitation(r.Name) {
				return usageError("to accept it: tunic accept CODE", "this is an invitation, and not a name for a friend")
			}
			i, err := a.client().Invite(cmd.Context(), r)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(i)
			}
			return a.showInvitation(i, r.Suggest != "")
		},
	}
	c.Flags().BoolVar(&r.Auto, "auto", false, "whoever comes with the code is a friend at once")
	c.Flags().StringVar(&r.Suggest, "me", "", "what your friend's house may call this one")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// showInvitation prints the word where a pipe finds it, and the rest for people. An
// invitation that suggests no name needs one on the other box.
func (a *app) showInvitation(i api.Invitation, suggests bool) error {
	a.printf("%s\n", i.Word)
	// In upper case the code is smaller: QR has an alphabet without small letters.
	if err := drawQR(a.err, strings.ToUpper(i.Word)); err != nil {
		return err
	}
	accept := "tunic accept CODE"
	if !suggests {
		accept += " --as NAME, which is what their house calls yours"
	}
	fmt.Fprintf(a.err, "give this code to %s alone; on their box: %s\n", i.Name, accept)
	if i.Renews {
		fmt.Fprintf(a.err, "%s is a friend already: the code renews the keys, and no other box can use it\n", i.Name)
	}
	fmt.Fprintf(a.err, "it can be used once, until %s; `tunic friends` shows the progress\n", i.Expires.Local().Format("2006-01-02 15:04"))
	return nil
}

func acceptCommand(a *app) *cobra.Command {
	var asJSON bool
	var as string
	c := &cobra.Command{
		Use:   "accept CODE",
		Short: "Accept a friend's invitation",
		Long: `Accept takes the code that "tunic invite" has printed on a friend's box. It is
kept, and this box calls the other one until it is there: the boxes need not be
on line at the same time. "tunic friends" shows the progress, and four words
to compare by voice. The same code with another --as gives the other box that name.

CODE can also be the name under which a friend has introduced somebody. A dash
reads the code from standard input, so that no other user of this machine sees it
in the list of processes.`,
		Example: "  tunic accept tunic:ae3o… --as alice\n  tunic accept - --as alice\n  tunic accept carol",
		Args:    oneWord,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.acceptRequest(strings.Join(args, " "), as)
			if err != nil {
				return err
			}
			p, err := a.client().Accept(cmd.Context(), r)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(p)
			}
			a.printf("%s: %s\n", p.Name, p.Text)
			return nil
		},
	}
	c.Flags().StringVar(&as, "as", "", "what this house calls the other box (as the invitation suggests)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// oneWord takes one word, and an invitation that was pasted with spaces in it or with the
// command before it.
func oneWord(c *cobra.Command, args []string) error {
	if isInvitation(strings.Join(args, "")) {
		return nil
	}
	return cobra.ExactArgs(1)(c, args)
}

// isInvitation reports whether a word is meant as an invitation's code.
func isInvitation(word string) bool { return strings.Contains(strings.ToLower(word), "tunic:") }

// maxWord is longer than any invitation with all its line ends.
const maxWord = 4096

// acceptRequest tells a word from a name.
func (a *app) acceptRequest(word, as string) (api.AcceptRequest, error) {
	if word == "-" {
		raw, err := io.ReadAll(io.LimitReader(a.in, maxWord))
		if err != nil {
			return api.AcceptRequest{}, err
		}
		word = strings.TrimSpace(string(raw))
	}
	if word == "" {
		return api.AcceptRequest{}, usageError("example: tunic accept tunic:ae3o… --as alice", "there is no invitation")
	}
	if strings.Contains(word, ":") || len(word) > 30 {
		return api.AcceptRequest{Word: word, As: as}, nil
	}
	return api.AcceptRequest{Introduced: word, As: as}, nil
}

func confirmCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "confirm FRIEND",
		Short: "Confirm a friend after comparing the four words",
		Long: `Confirm makes a friend of the box that has come with the invitation for FRIEND.
Compare the four words that "tunic friends" shows, with your friend and by voice:
if they differ, somebody else has used the code, or is in between.`,
		Example: "  tunic confirm alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.client().Confirm(cmd.Context(), api.PeerRequest{Name: args[0]})
			if err != nil {
				return err
			}
			a.printf("%s: %s\n", p.Name, p.Text)
			return nil
		},
	}
	return c
}

func introduceCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "introduce FRIEND FRIEND",
		Short: "Send two friends an invitation for each other",
		Long: `Introduce leaves an invitation for each other with two friends' boxes, the next
time that they can be reached. Both owners are asked: each says "tunic accept NAME".
No words have to be compared, since you know both.`,
		Example: "  tunic introduce bob carol",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().Introduce(cmd.Context(), api.IntroduceRequest{Names: [2]string{args[0], args[1]}}); err != nil {
				return err
			}
			a.printf("%s and %s are told of each other as soon as their boxes can be reached\n", args[0], args[1])
			return nil
		},
	}
}

// since says how long ago something was.
func since(t time.Time, now time.Time) string {
	d := now.Sub(t).Round(time.Second)
	switch {
	case d < 2*time.Second:
		return "now"
	case d < time.Minute:
		return d.String() + " ago"
	case d < time.Hour:
		return d.Round(time.Minute).String() + " ago"
	case d < 48*time.Hour:
		return d.Round(time.Hour).String() + " ago"
	}
	return t.Local().Format("2006-01-02")
}
