package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway"
	"tunic/gateway/api"
	"tunic/gateway/config"
)

func publishCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "publish NAME PORT=TARGET...",
		Short: "Give a service on the LAN a permanent onion address",
		Long: `Publish writes onions/NAME.toml and applies it. A target is an address with a
port, on a LAN host or on the box, a unix socket (unix:/path), or a server of
the box (endpoint:gopher). Everybody who knows the address can reach it. The
address stays the same for as long as the keys are kept.`,
		Example: `  tunic publish photos 80=192.168.1.20:8080
  tunic publish shell 22=127.0.0.1:22 80=unix:/run/web.sock`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := api.PublishRequest{Name: args[0], Ports: args[1:]}
			o, err := a.client().Publish(cmd.Context(), request)
			if errors.Is(err, api.ErrNotRunning) {
				return a.publishAlone(request, asJSON)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(o)
			}
			a.printf("%s\n", o.Address)
			return a.waitPublished(cmd.Context(), o.Name)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// publishWait is how long publish waits for the first upload. It takes about
// two seconds once Tor is connected.
const publishWait = 30 * time.Second

// waitPublished returns when visitors can find the onion, and says why they
// cannot if that takes too long; it is published all the same.
func (a *app) waitPublished(ctx context.Context, name string) error {
	for end := time.Now().Add(publishWait); ; {
		s, err := a.client().Status(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(s.Onions, func(o api.Onion) bool { return o.Name == name })
		switch {
		case i < 0:
			return fmt.Errorf("the onion %s is not published any more", name)
		case s.Onions[i].Published:
			fmt.Fprintf(a.err, "%s is published: visitors can find it now, at this address for good\n", name)
			return nil
		case s.Tor.Bootstrap < 100 || time.Now().After(end):
			fmt.Fprintf(a.err, "%s will be published as soon as possible: %s\n", name, strings.TrimSpace(s.Why))
			return nil
		}
		if !pause(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// publishAlone writes the file for the next start of the daemon.
func (a *app) publishAlone(r api.PublishRequest, asJSON bool) error {
	o, err := gateway.ParseOnion(r)
	if err != nil {
		return err
	}
	made, err := config.WriteOnion(a.paths(), o)
	if err != nil {
		return wrongInput(err, "")
	}
	if _, err := config.Load(a.paths()); err != nil {
		if made {
			_, undo := config.RemoveOnion(a.paths(), o.Name)
			err = errors.Join(err, undo)
		}
		return wrongInput(err, "nothing was changed")
	}
	if asJSON {
		ports := make([]api.Port, len(o.Ports))
		for i, p := range o.Ports {
			ports[i] = api.Port{Port: p.Virtual, Target: p.Target.String()}
		}
		return a.json(api.Onion{Name: o.Name, Ports: ports})
	}
	fmt.Fprintf(a.err, "%s is written; it is published when the daemon runs (systemctl start tunic)\n", o.Name)
	return nil
}

func unpublishCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "unpublish NAME",
		Short: "Take an onion away; its keys are kept",
		Long: `Unpublish removes onions/NAME.toml and closes what is open through it. The keys
stay in the state directory: publishing the name again gives the same address.`,
		Example: "  tunic unpublish photos",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := a.client().Unpublish(cmd.Context(), api.UnpublishRequest{Name: args[0]})
			if errors.Is(err, api.ErrNotRunning) {
				if _, err = config.RemoveOnion(a.paths(), args[0]); err != nil {
					err = wrongInput(err, "`tunic onions` and the files in "+a.paths().OnionDir()+" have the names")
				}
			}
			if err != nil {
				return err
			}
			a.printf("%s is not published any more; its keys are kept in %s\n", args[0], a.paths().OnionKeys(args[0]))
			return nil
		},
	}
}

func onionsCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "onions",
		Short:   "List the onions with their addresses and ports",
		Example: "  tunic onions --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(s.Onions)
			}
			for _, o := range s.Onions {
				a.printf("%-10s %s  %s\n", o.Name, o.Address, publishedWords(o))
				for _, p := range o.Ports {
					a.printf("  port %-5d -> %s  %s\n", p.Port, p.Target, portWords(p))
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
