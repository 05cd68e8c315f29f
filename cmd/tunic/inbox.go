package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"tunic/gateway/drop"
)

func inboxCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inbox",
		Short: "List the files that friends have sent",
		Long: `Inbox lists the files that friends have sent to this box (` + "`tunic send`" + `), which
nothing has opened yet. With take they get to a directory, and with remove they are gone.`,
		Example: `  tunic inbox
  tunic inbox take alice/photo.jpg ~/Pictures
  tunic inbox remove alice/photo.jpg`,
	}
	c = group(a, c, inboxTakeCommand, inboxRemoveCommand)
	verbs := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return verbs(cmd, args)
		}
		return a.inbox(asJSON)
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) inbox(asJSON bool) error {
	list, err := drop.Waiting(a.paths().Drop())
	switch {
	case errors.Is(err, drop.ErrMany):
		fmt.Fprintf(a.err, "tunic: warning: %v\n", err)
	case err != nil:
		return err
	}
	if asJSON {
		return a.json(append([]drop.File{}, list...))
	}
	for _, f := range list {
		a.printf("%s  %s  %s\n", f.At.Local().Format("2006-01-02 15:04"), size(f.Size), oneLine(f.Path()))
	}
	if len(list) == 0 {
		a.printf("nothing is in the inbox\n")
	}
	return nil
}

func inboxTakeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "take NAME [DIR]",
		Short: "Move a file from the inbox to a directory",
		Long: `Take moves a file that ` + "`tunic inbox`" + ` lists to a directory, or to the one where you are.
The file belongs to whom the directory does, and replaces none that is there.`,
		Example: "  tunic inbox take alice/photo.jpg ~/Pictures\n  tunic inbox take photo.jpg",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := a.inInbox(args[0])
			if err != nil {
				return err
			}
			to := append(args, ".")[1]
			name, err := drop.Take(a.paths().Drop(), f, to)
			if err != nil {
				return fmt.Errorf("taking %s: %w", f.Path(), err)
			}
			if to, err = filepath.Abs(to); err != nil { // "." says little
				return err
			}
			a.printf("%s is in %s\n", oneLine(name), oneLine(to))
			return nil
		},
	}
}

func inboxRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Remove a file from the inbox, for good",
		Example: "  tunic inbox remove alice/photo.jpg",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := a.inInbox(args[0])
			if err == nil {
				err = drop.Discard(a.paths().Drop(), f)
			}
			if err != nil {
				return err
			}
			a.printf("%s is gone\n", oneLine(f.Path()))
			return nil
		},
	}
}

// inInbox finds a file by FRIEND/NAME, or by NAME if only one is called so.
func (a *app) inInbox(word string) (found drop.File, err error) {
	list, err := drop.Waiting(a.paths().Drop())
	if err != nil && !errors.Is(err, drop.ErrMany) {
		return found, err
	}
	n := 0
	for _, f := range list {
		switch word {
		case f.Path():
			return f, nil
		case f.Name:
			found = f
			n++
		}
	}
	switch {
	case n == 0:
		return found, usageError("`tunic inbox` lists them", "no file in the inbox is called %q", word)
	case n > 1:
		return found, usageError("write whose, like "+found.Path(), "%d files are called %q", n, word)
	}
	return found, nil
}

// waitingFiles are those in the inbox.
func waitingFiles(_ context.Context, a *app) (names []string) {
	list, _ := drop.Waiting(a.paths().Drop())
	for _, f := range list {
		names = append(names, f.Path())
	}
	return names
}
