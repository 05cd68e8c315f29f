package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
)

func mailCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "mail",
		Short: "Look at mail on its way, send it now, or drop it",
		Long: `Mail to a friend whose box is off waits here and is tried again for five days.
These verbs show what waits and why. They show no text of anybody's mail.`,
		Example: `  tunic mail queue
  tunic mail flush alice`,
	}
	return group(a, c, mailQueueCommand, mailShowCommand, mailFlushCommand, mailDropCommand)
}

func mailQueueCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "queue",
		Short:   "List the mail that is not delivered yet, the oldest first",
		Example: "  tunic mail queue\n  tunic mail queue --json | jq length",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.client().MailQueue(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			for _, l := range list {
				a.printLetter(l)
			}
			if len(list) == 0 {
				a.printf("no mail is waiting\n")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// shortID is as much of an ID as tells mails apart in most queues.
const shortID = 10

// letterLine describes a mail in one line.
func letterLine(l api.Letter) string {
	next := "now"
	if l.Next != nil && time.Until(*l.Next) > 0 {
		next = "in " + time.Until(*l.Next).Round(time.Second).String()
	}
	from := l.From
	if from == "" {
		from = "this box"
	}
	return fmt.Sprintf("%s  %s  %d bytes  from %s  next try %s", l.ID[:min(len(l.ID), shortID)],
		l.Arrived.Local().Format("2006-01-02 15:04"), l.Size, from, next)
}

func (a *app) printLetter(l api.Letter) {
	a.printf("%s\n", letterLine(l))
	for _, r := range l.Recipients {
		a.printf("    %s\n", recipientLine(r))
	}
}

func recipientLine(r api.LetterRecipient) string {
	line := r.State + "  " + r.To
	if r.Reason != "" {
		line += "  (" + r.Reason + ")"
	}
	return line
}

func mailShowCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show ID",
		Short:   "Show where one mail stands, and its header",
		Example: "  tunic mail show 3f2a09",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.client().MailShow(cmd.Context(), api.MailRequest{ID: args[0]})
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(l)
			}
			a.printLetter(l)
			a.print("\n" + strings.ReplaceAll(l.Header, "\r\n", "\n"))
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func mailFlushCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "flush [FRIEND]",
		Short: "Try to deliver now what waits, for one friend or for all",
		Example: `  tunic mail flush
  tunic mail flush alice`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := api.MailRequest{Peer: strings.Join(args, "")}
			f, err := a.client().MailFlush(cmd.Context(), r)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(f)
			}
			a.printf("%d mails are tried now\n", f.Count)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func mailDropCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "drop ID",
		Short:   "Remove one mail from the queue; nobody is told, and it cannot be undone",
		Example: "  tunic mail drop 3f2a09",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().MailDrop(cmd.Context(), api.MailRequest{ID: args[0]}); err != nil {
				return err
			}
			if asJSON {
				return a.json(map[string]string{"dropped": args[0]})
			}
			a.printf("%s is dropped\n", args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
