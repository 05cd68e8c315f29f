package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tunic/gateway/config"
)

func chatCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "chat FRIEND",
		Short: "Talk with whoever is at a friend's box, line by line",
		Long: `Chat sits down at the table for a friend, and calls the friend's box. Whoever sits at its
table for this house, on a terminal of the box or on any device, is joined at once; if nobody
does, the people there are told, and chat waits for them. Then what you type goes there
line by line, what they say comes with their name in front, and Ctrl-C ends it. So does an
hour in which nobody says anything.

On a device of the household nothing has to be installed for it: docs/talk.md. The two
boxes prove who they are first. Chat needs root, and a running daemon.`,
		Example: `  tunic chat alice
  rlwrap tunic chat alice       # lines can be edited and called back`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.chat(cmd.Context(), args[0]) },
	}
}

func (a *app) chat(ctx context.Context, friend string) error {
	if _, err := a.friendsHome(ctx, friend); err != nil {
		return err
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", a.paths().Table())
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		if _, err := a.client().Status(ctx); err != nil {
			return err
		}
		return &failure{exitFailed, errors.New("this box has no tables at which to talk with friends"),
			"talk = false in [gateway] of tunic.toml switches them off; without that, `tunic status` may say more"}
	case err != nil:
		return fmt.Errorf("sitting down: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := fmt.Fprintf(c, "%s %s\r\n", config.TalkService, friend); err != nil {
		return fmt.Errorf("sitting down: %w", err)
	}
	if err := answered(c); err != nil {
		return err
	}
	go func() { // it may wait for a terminal for ever
		if _, err := io.Copy(c, a.in); err == nil {
			_ = c.(*net.UnixConn).CloseWrite()
		}
	}()
	if _, err := io.Copy(a.out, c); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the talk broke off: %w", err)
	}
	return nil
}

// answered reads whether there is a seat.
func answered(r io.Reader) error {
	var text []byte
	for b := make([]byte, 1); len(text) < 1000; text = append(text, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("sitting down: %w", err)
		}
		if b[0] == '\n' {
			break
		}
	}
	if words, no := strings.CutPrefix(strings.TrimSpace(string(text)), "-"); no {
		return &failure{exitFailed, errors.New(words), ""}
	}
	return nil
}
