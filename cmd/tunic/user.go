package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/feature/people"
)

func userCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "user",
		Short: "Add, change, remove and list the household's users",
		Long: `A user has one name and one password for mail and chat. Only what is needed to
check the password is kept (SCRAM-SHA-256).

An admin is a member who also gets the mail to postmaster, abuse, admin and the
like; the first user is one. A guest has chat only, for a while.`,
		Example: `  tunic user add bob
  tunic user list`,
	}
	return group(a, c, userAddCommand, userPasswdCommand, userRoleCommand, userRemoveCommand, userListCommand, userShowCommand)
}

const passwordHelp = `The password is asked for twice; leave it empty to have one generated and printed.
When standard input is no terminal, its first line is the password.`

func userAddCommand(a *app) *cobra.Command {
	var asJSON bool
	var r api.UserRequest
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Long:  passwordHelp,
		Example: `  tunic user add bob
  tunic user add carol --role guest --for 48h
  pass show home/bob | tunic user add bob`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			if err := account.CheckName(r.Name); err != nil {
				return usageError("example: tunic user add bob", "%v", err)
			}
			if r.Role != "" {
				if _, err := account.ParseRole(r.Role); err != nil {
					return usageError("", "%v", err)
				}
			}
			if err := a.checkUser(cmd.Context(), r.Name, false); err != nil {
				return err
			}
			return a.withPassword(cmd.Context(), r, asJSON, "is added", a.client().AddUser, people.Accounts.Create)
		},
	}
	roleFlags(c, &r)
	c.Flags().StringVar(&r.Role, "role", "", "admin, member or guest (admin for the first user, then member)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func userPasswdCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Give a user another password",
		Long:  passwordHelp,
		Example: `  tunic user passwd bob
  pass show home/bob | tunic user passwd bob`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkUser(cmd.Context(), args[0], true); err != nil {
				return err
			}
			return a.withPassword(cmd.Context(), api.UserRequest{Name: args[0]}, asJSON, "has another password", a.client().ChangeUser,
				people.Accounts.Update)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func userRoleCommand(a *app) *cobra.Command {
	var asJSON bool
	var r api.UserRequest
	c := &cobra.Command{
		Use:   "role NAME ROLE",
		Short: "Make a user admin, member or guest",
		Example: `  tunic user role eve admin
  tunic user role carol guest --for 48h`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name, r.Role = args[0], args[1]
			u, err := a.client().ChangeUser(cmd.Context(), r)
			if errors.Is(err, api.ErrNotRunning) {
				u, err = a.accounts().Update(r, account.Record{})
			}
			if err != nil {
				return err
			}
			return a.sayUser(u, "", asJSON, "is changed")
		},
	}
	roleFlags(c, &r)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func roleFlags(c *cobra.Command, r *api.UserRequest) {
	c.Flags().Var((*span)(&r.For), "for", "how long a guest's account lasts from now (7d)")
}

func userRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a user; the mailbox stays",
		Long: `Remove ends the account: nobody can log in with it from then on, and who is logged in with it is
logged out. The mailbox stays in the state directory: a user who is added by that name again has it.`,
		Example: "  tunic user remove carol",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := api.UserRequest{Name: args[0]}
			err := a.client().RemoveUser(cmd.Context(), r)
			if errors.Is(err, api.ErrNotRunning) {
				err = a.accounts().Delete(r)
			}
			if err != nil {
				return err
			}
			a.printf("%s is removed; mail that is there stays\n", r.Name)
			return nil
		},
	}
}

func userListCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the users",
		Example: "  tunic user list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.users(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(list)
			}
			for _, u := range list {
				a.printf("%s\n", strings.TrimRight(userLine(u), " "))
			}
			if len(list) == 0 {
				a.printf("nobody is there yet: tunic user add NAME\n")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func userShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show what a user enters in a chat or mail program, with a QR code",
		Long: `Show draws the user's address as a QR code for chat programs on phones
(Conversations, Monal). It has no password in it.`,
		Example: "  tunic user show bob",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.client().Users(cmd.Context())
			if err != nil {
				return err // without the daemon the address may not be there yet
			}
			i := slices.IndexFunc(list, func(u api.User) bool { return u.Name == args[0] })
			if i < 0 {
				return usageError("`tunic user list` has the names", "nobody is called %q", args[0])
			}
			u := list[i]
			a.printf("%s\n", strings.TrimRight(userLine(u), " "))
			if u.Address == "" {
				return &failure{exitNotReady, errors.New("the box has no address yet"), "see `tunic status`"}
			}
			if err := a.printQR("xmpp:" + u.Address); err != nil {
				return err
			}
			chat, mail := a.servers()
			a.printf("chat:        %s\n",
				orServer(chat, "the address above and the password; server box.home.arpa if a program asks", "xmpp"))
			if u.Mail {
				a.printf("mail:        %s\n", orServer(mail, "IMAP box.home.arpa:993 (TLS), SMTP box.home.arpa:587 (STARTTLS)", "smtp"))
			}
			a.printf("certificate: tunic ca > tunic-ca.crt, for programs that ask whether to trust the box\n")
			return nil
		},
	}
}

// servers reports which of its users' servers the files have this box run. Of files
// that are wrong nothing is said here.
func (a *app) servers() (chat, mail bool) {
	c, err := config.Load(a.paths())
	if err != nil {
		return true, true
	}
	_, mail = c.Mail()
	return c.XMPP(), mail
}

// orServer is what to enter in a program, or how there will be a server for it.
func orServer(there bool, words, endpoint string) string {
	if there {
		return words
	}
	return "this box runs no server for it; an empty file endpoints/" + endpoint + ".toml and `tunic reload` set one up"
}

func userLine(u api.User) string {
	line := fmt.Sprintf("%-14s %-6s", u.Name, u.Role)
	if u.Address != "" {
		line += "  " + u.Address
	}
	if u.Until != nil {
		line += "  until " + u.Until.Local().Format(time.DateTime)
	}
	return line
}

// users lists the accounts, whether or not the daemon runs.
func (a *app) users(ctx context.Context) ([]api.User, error) {
	list, err := a.client().Users(ctx)
	if errors.Is(err, api.ErrNotRunning) {
		list, err = a.accounts().List()
	}
	return list, err
}

// checkUser says before anybody types a password what is wrong with the name: a
// user by that name is there, or is not. Of an account that is damaged the verb
// itself says more.
func (a *app) checkUser(ctx context.Context, name string, wanted bool) error {
	list, err := a.users(ctx)
	there := slices.ContainsFunc(list, func(u api.User) bool { return u.Name == name })
	switch {
	case there && !wanted:
		return usageError("`tunic user passwd "+name+"` gives a user another password", "adding %s: %v", name, account.ErrExists)
	case there, errors.As(err, new(*api.Failure)) && !forbidden.MatchString(err.Error()):
		return nil
	case err == nil && wanted:
		return usageError("`tunic user list` has the names", "changing %s: %v", name, account.ErrNoUser)
	}
	return err
}

// accounts are those of this root, for when no daemon runs.
func (a *app) accounts() people.Accounts {
	return people.Accounts{Store: account.Store{Dir: a.paths().Accounts()}}
}

// withPassword gets a password and hands the request to the daemon, or carries
// it out while none runs.
func (a *app) withPassword(ctx context.Context, r api.UserRequest, asJSON bool, what string,
	ask func(context.Context, api.UserRequest) (api.User, error),
	alone func(people.Accounts, api.UserRequest, account.Record) (api.User, error)) error {
	password, made, err := a.password(ctx, r.Name)
	if err != nil {
		return err
	}
	r.Password = password
	u, err := ask(ctx, r)
	if errors.Is(err, api.ErrNotRunning) {
		var record account.Record
		if record, err = people.NewRecord(r); err == nil {
			u, err = alone(a.accounts(), r, record)
		}
	}
	if err != nil {
		return err
	}
	if !made {
		password = "" // its owner knows it
	}
	return a.sayUser(u, password, asJSON, what)
}

// sayUser tells how a user is now, and the password if it was made here.
func (a *app) sayUser(u api.User, password string, asJSON bool, what string) error {
	if asJSON {
		return a.json(struct {
			api.User
			Password string `json:"password,omitempty"`
		}{u, password})
	}
	a.printf("%s %s (%s)\n", u.Name, what, u.Role)
	if u.Address != "" {
		a.printf("address:  %s\n", u.Address)
	}
	if u.Until != nil {
		a.printf("until:    %s\n", u.Until.Local().Format(time.DateTime))
	}
	if password != "" {
		a.printf("password: %s\n", password)
	}
	if chat, mail := a.servers(); !chat && !mail {
		fmt.Fprintf(a.err, "this box runs no server of chat or mail yet: an empty file endpoints/xmpp.toml or endpoints/smtp.toml and "+
			"`tunic reload` set one up\n")
	}
	return nil
}
