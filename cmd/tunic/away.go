package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/onion"
)

func awayCommand(a *app) *cobra.Command {
	var asJSON bool
	c := group(a, &cobra.Command{
		Use:   "away",
		Short: "List the phones that reach mail and chat from anywhere, add and remove them",
		Long: `Away lists the phones of the household that reach the box's mail and chat from
anywhere. Each has a private onion of its own: nobody else finds it, and to remove a phone
shuts out that phone alone. docs/away.md says what to type on the phone.`,
		Example: `  tunic away
  tunic away add annphone --user ann
  tunic away remove annphone`,
	}, awayAddCommand, awayRemoveCommand)
	unknown := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args)
		}
		s, err := a.client().Status(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return a.json(s.Phones)
		}
		for _, p := range s.Phones {
			a.printf("%s\n", oneLine(phoneLine(p)))
		}
		if len(s.Phones) == 0 {
			a.printf("no phones: `tunic away add annphone --user ann` lets one reach mail and chat from anywhere\n")
		}
		return nil
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printPhones is the part of the status about phones, if there are any.
func (a *app) printPhones(list []api.Phone) {
	if len(list) > 0 {
		a.printf("\nPhones away from home\n")
	}
	for _, p := range list {
		a.printf("  %s\n", oneLine(phoneLine(p)))
	}
}

// phoneLine describes a phone.
func phoneLine(p api.Phone) string {
	line := p.Name + ": of " + p.User
	switch {
	case p.ShutOut:
		return line + ", shut out: there is no such user"
	case len(p.Ports) == 0:
		return line + ", reaches nothing: the box has neither mail nor chat"
	case !p.Published:
		line += ", not published yet"
	}
	return fmt.Sprintf("%s, %s at %s; %d open now, %d since the start", line, servicesOf(p), p.Address, p.Active, p.Streams)
}

// servicesOf are what a phone reaches, in words.
func servicesOf(p api.Phone) string {
	var words []string
	if slices.Contains(p.Ports, config.IMAPSPort) {
		words = append(words, "mail")
	}
	if slices.Contains(p.Ports, config.XMPPPort) {
		words = append(words, "chat")
	}
	return strings.Join(words, " and ")
}

// phoneNames are those of the household's phones.
func phoneNames(ctx context.Context, a *app) (names []string) {
	s, err := a.client().Status(ctx)
	if err != nil {
		return nil
	}
	for _, p := range s.Phones {
		names = append(names, p.Name)
	}
	return names
}

// addedPhone is what `tunic away add --json` prints.
type addedPhone struct {
	api.Phone
	SecretKey string `json:"secret_key"` // kept nowhere
	Line      string `json:"torrc_line"` // of a file in a tor's ClientOnionAuthDir
}

func awayAddCommand(a *app) *cobra.Command {
	var asJSON, noQR bool
	r := api.PhoneRequest{}
	c := &cobra.Command{
		Use:   "add PHONE --user USER",
		Short: "Let a phone reach mail and chat from anywhere, and print what to type there",
		Long: `Add writes phones/PHONE.toml and applies it: a private onion with the ports of the box's
own mail (587, 993) and chat (5222, 5281), as far as they are on. Printed are three lines
for the phone, each with a QR code: the server, the key for Orbot, and the user's address.
The key is shown once and kept nowhere.

The phone is one device to the servers: log-in attempts and connections are counted for it
alone. It still needs the user's password. When the user is removed, it is shut out.`,
		Example: `  tunic away add annphone --user ann
  tunic away add annphone --user ann --json | jq -r .torrc_line`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			if r.User == "" {
				return usageError("example: tunic away add "+r.Name+" --user ann", "whose phone it is was not said")
			}
			secret, err := onion.NewClientSecret()
			if err != nil {
				return err
			}
			public, err := secret.Public()
			if err != nil {
				return err
			}
			r.Key = string(public)
			p, err := a.client().AddPhone(cmd.Context(), r)
			if err != nil {
				return err
			}
			address, err := onion.ParseName(p.Address)
			if err != nil {
				return fmt.Errorf("the onion of %s has no address yet: `tunic away remove %s`, and `tunic status` says why", p.Name, p.Name)
			}
			added := addedPhone{p, string(secret), secret.Line(address)}
			if asJSON {
				return a.json(added)
			}
			return a.showPhone(added, !noQR)
		},
	}
	c.Flags().StringVar(&r.User, "user", "", "whose phone it is: one of `tunic user list`")
	c.Flags().BoolVar(&noQR, "no-qr", false, "draw no QR codes")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// showPhone prints what is to be typed on the phone. The key alone is enough for Orbot,
// which has a field for the address beside it; another tor takes the whole line.
func (a *app) showPhone(p addedPhone, withQR bool) error {
	fmt.Fprintf(a.err, "%s reaches %s of the house. On the phone (docs/away.md):\n", p.Name, servicesOf(p.Phone))
	for _, line := range []struct{ what, text string }{
		{"the server, in Orbot and in the apps", p.Address},
		{"the key, in Orbot; it is shown now and kept nowhere", p.SecretKey},
		{"the user's address, in the apps", p.Login},
	} {
		fmt.Fprintf(a.err, "\n%s:\n", line.what)
		a.printf("%s\n", line.text)
		if !withQR {
			continue
		}
		if err := a.printQR(line.text); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.err, "\nAnother tor has the server and its key in one line of a file in its ClientOnionAuthDir:\n  %s\n"+
		"Install the house's certificate on the phone before it leaves: tunic ca\n", p.Line)
	return nil
}

func awayRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove PHONE",
		Short: "Shut a phone out, at once and alone",
		Long: `Remove removes phones/PHONE.toml and applies that. What the phone has open is cut, and
its onion is gone for good. Other phones stay connected. Somebody with the phone may know the
user's password: change it too, with ` + "`tunic user passwd`" + `.`,
		Example: "  tunic away remove annphone",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.client().RemovePhone(cmd.Context(), api.PhoneName{Name: args[0]}); err != nil {
				return err
			}
			a.printf("%s is shut out\n", args[0])
			return nil
		},
	}
}
