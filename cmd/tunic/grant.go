package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature"
	"tunic/gateway/feature/onions"
	"tunic/gateway/onion"
)

// granted is what `tunic grant --json` prints.
type granted struct {
	Onion     string `json:"onion"`
	Client    string `json:"client"`
	Address   string `json:"address,omitempty"`    // "KEY.onion"; empty before the first start
	SecretKey string `json:"secret_key,omitempty"` // of a new visitor; kept nowhere
	Line      string `json:"torrc_line,omitempty"` // of a file in a tor's ClientOnionAuthDir
	PublicKey string `json:"public_key,omitempty"` // of a new visitor
}

func grantCommand(a *app) *cobra.Command {
	var asJSON, makeKey, private bool
	c := &cobra.Command{
		Use:   "grant ONION CLIENT",
		Short: "Let a friend find a private onion",
		Long: `Grant adds a client to onions/ONION.toml and applies it; comments in the file
stay. A client is a friend's name, or an x25519 public key, or NAME:KEY.

With --new it makes a key for somebody without a box, who enters it in Tor
Browser when it asks for the onion's key. The key is shown once and kept
nowhere: give it to them over a channel that nobody else reads. NAME is what you
call them, for ` + "`tunic revoke`" + `.

An onion that is for everybody becomes private with --private: at once, for those
who have it open too.`,
		Example: `  tunic grant photos alice
  tunic grant photos grandma --new
  tunic grant blog alice --private`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			g := granted{Onion: args[0], Client: args[1]}
			if makeKey {
				if err := a.hasAddress(g.Onion); err != nil {
					return err
				}
				if err := g.newKey(); err != nil {
					return err
				}
			}
			if err := a.grant(cmd, api.GrantRequest{Onion: g.Onion, Client: g.client(), Private: private}); err != nil {
				return err
			}
			g.complete(a)
			if asJSON {
				return a.json(g)
			}
			return a.showGranted(g)
		},
	}
	c.Flags().BoolVar(&makeKey, "new", false, "make a key for a visitor without a box, and show it")
	c.Flags().BoolVar(&private, "private", false, "the onion was for everybody: from now on it is for its clients alone")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// hasAddress refuses an onion of which a visitor could not be told where it is,
// since the key is shown once. An onion that is not there at all is refused later.
func (a *app) hasAddress(name string) error {
	_, err := readHostname(a.paths(), name)
	if _, there := os.Stat(filepath.Join(a.paths().OnionDir(), name+".toml")); err == nil || there != nil {
		return nil
	}
	return &failure{exitFailed, fmt.Errorf("%s has no address yet, so a visitor could not be told of it", name),
		"it gets one when the daemon runs: systemctl start tunic"}
}

// newKey makes the pair of a visitor. Its secret part never leaves this process
// but by what is printed.
func (g *granted) newKey() error {
	if err := config.CheckDeviceName(g.Client); err != nil {
		return wrongInput(err, "example: tunic grant photos grandma --new")
	}
	secret, err := onion.NewClientSecret()
	if err != nil {
		return err
	}
	public, err := secret.Public()
	g.SecretKey, g.PublicKey = string(secret), string(public)
	return err
}

// client is the client as the file has it.
func (g *granted) client() string {
	if g.PublicKey != "" {
		return g.Client + ":" + g.PublicKey
	}
	return g.Client
}

// complete looks for the onion's address.
func (g *granted) complete(a *app) {
	host, err := readHostname(a.paths(), g.Onion)
	if err != nil {
		return // before the first start there is none
	}
	g.Address = host
	address, err := onion.ParseName(host)
	if err == nil && g.SecretKey != "" {
		g.Line = onion.ClientSecret(g.SecretKey).Line(address)
	}
}

func (a *app) showGranted(g granted) error {
	fmt.Fprintf(a.err, "%s can find %s now\n", g.Client, g.Onion)
	if g.SecretKey == "" {
		if c, err := config.ParseClient(g.Client); err == nil && c.Peer != "" {
			fmt.Fprintf(a.err, "the box of %s hears of it within a minute, or when it is on line again\n", g.Client)
		}
		return nil
	}
	fmt.Fprintf(a.err, "Give them these two lines over a channel that nobody else reads; the key is kept nowhere:\n")
	a.printf("%s\n%s\n", orDash(g.Address), g.SecretKey)
	fmt.Fprintf(a.err, "Tor Browser asks for the key when it opens the address. For another tor, a file in its\n"+
		"ClientOnionAuthDir (%s.auth_private) has the line\n  %s\n", g.Onion, orDash(g.Line))
	return nil
}

// grant has the daemon do it, or does it for the daemon's next start.
func (a *app) grant(cmd *cobra.Command, r api.GrantRequest) error {
	err := a.client().GrantClient(cmd.Context(), r)
	if !errors.Is(err, api.ErrNotRunning) {
		return err
	}
	edit, err := onions.ParseGrant(r)
	if err != nil {
		return err
	}
	return a.editClientsAlone(edit)
}

func (a *app) editClientsAlone(edit config.ClientEdit) error {
	write := func() error { return onions.WriteClients(a.paths(), edit) }
	return feature.EditAlone(a.paths(), write, a.paths().OnionFile(edit.Onion))
}

func revokeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ONION CLIENT",
		Short: "Shut a client out of a private onion, at once",
		Long: `Revoke removes a client from onions/ONION.toml and applies it. What the client has
open through the onion is cut, and what it remembers of the onion leads nowhere.
For that the onion is published again: the other clients are cut too, and connect
again within seconds.`,
		Example: "  tunic revoke photos grandma",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := a.client().RevokeClient(cmd.Context(), api.RevokeRequest{Onion: args[0], Client: args[1]})
			if errors.Is(err, api.ErrNotRunning) {
				err = a.editClientsAlone(config.ClientEdit{Onion: args[0], Remove: []string{args[1]}})
			}
			if err != nil {
				return err
			}
			a.printf("%s can no longer find %s; other clients that were connected connect again within seconds\n", args[1], args[0])
			return nil
		},
	}
}
