package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/config"
	"tunic/gateway/endpoint/irc"
	chat "tunic/gateway/feature/irc"
	"tunic/gateway/onion"
)

func ircCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "irc",
		Short:   "Ban somebody from the IRC server for a while; make an operator",
		Example: "  tunic irc ban flooder",
		Long: `Irc speaks to the box's own IRC server as its operator.

A ban is by the circuit by which a visitor has come, or by the device of the
house: for either, others see a cloak, such as u.98f6ef32. Bans do
not last: a visitor through Tor can take another circuit. What lasts is ` + "`tunic forget`" + `,
which takes the whole box of a friend off.`,
	}
	return group(a, c, ircBan, ircUnban, ircBans, ircOperator)
}

func ircOperator(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "operator NAME",
		Short: "Print how an admin becomes an operator in an IRC client",
		Long: `Operator prints the line that one of the household's admins types in an IRC
client to become an operator of the box's server, who can end connections and
rule in all channels. The password in it is for that alone. A user who
is no longer an admin cannot become an operator again, and stays one until the client leaves.`,
		Example: "  tunic irc operator ann",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			secrets, err := a.ircSecrets(cmd.Context())
			if err != nil {
				return err
			}
			users, err := a.users(cmd.Context())
			if err != nil {
				return err
			}
			name := args[0]
			if !slices.ContainsFunc(users, func(u api.User) bool { return u.Name == name && u.Role == string(account.Admin) }) {
				return usageError("`tunic user list` lists them; `tunic user role "+name+" admin` makes one", "no admin is called %q", name)
			}
			password, ok := secrets.Password(name)
			if !ok {
				return usageError("", "%q is what tunic itself is called on the IRC server: an admin with another name can be an operator",
					name)
			}
			line := "/oper " + name + " " + password
			if asJSON {
				return a.json(map[string]string{"line": line, "name": name, "password": password})
			}
			a.printf("%s\n", line)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// banLimit is how long a ban may last: it is one for the moment.
const banLimit = 30 * day

func ircBan(a *app) *cobra.Command {
	lasts, reason := day, ""
	c := &cobra.Command{
		Use:   "ban NICK|CIRCUIT|CLOAK",
		Short: "End what somebody has open, and let nobody in from there",
		Example: `  tunic irc ban flooder
  tunic irc ban 4711 --for 1h --reason sleep`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := api.CheckSpan(lasts, banLimit); err != nil {
				return usageError("example: tunic irc ban "+args[0]+" --for 1h", "--for: %v", err)
			}
			switch {
			case strings.ContainsFunc(reason, unicode.IsControl) || len(reason) > 200:
				return usageError("", "the reason is one line of at most 200 bytes")
			}
			return a.withIRC(cmd.Context(), func(s *irc.Session) error {
				cloak, err := banned(s, args[0])
				if err != nil {
					return err
				}
				if err := s.Ban(cloak, lasts, reason); err != nil {
					return err
				}
				a.printf("%s is banned for %s\n`tunic irc unban %s` ends that\n", args[0], api.SpanWords(lasts), cloak)
				return nil
			})
		},
	}
	c.Flags().Var((*span)(&lasts), "for", "how long")
	c.Flags().StringVar(&reason, "reason", "you were banned", "what they are told")
	return c
}

// nickPattern is what the server takes for a nick (RFC 2812, 2.3.1).
var nickPattern = regexp.MustCompile("^[a-zA-Z\\[\\]\\\\`_^{|}][a-zA-Z0-9\\[\\]\\\\`_^{|}-]{0,29}$")

// cloakPattern is what others see of an address.
var cloakPattern = regexp.MustCompile(`^u\.[0-9a-f]{1,8}$`)

// banned returns the cloak of a nick or of a circuit, or the cloak itself.
func banned(s *irc.Session, who string) (cloak string, err error) {
	n, notNumber := strconv.ParseUint(who, 10, 32)
	switch {
	case cloakPattern.MatchString(who):
		return who, nil
	case notNumber == nil:
		cloak, err = s.CloakOf(onion.CircuitSource(uint32(n)).String())
	case nickPattern.MatchString(who):
		cloak, err = s.Cloak(who)
	default:
		return "", usageError("", "%q is neither a nick nor a cloak (u.98f6ef32) nor the number of a circuit", who)
	}
	switch {
	case errors.Is(err, irc.ErrOwn):
		err = usageError("", "%s is on the box itself", who)
	case errors.Is(err, irc.ErrNobody) && notNumber == nil:
		err = usageError("", "nobody is connected by the circuit %s now", who)
	case errors.Is(err, irc.ErrNobody):
		err = usageError("a client lists the nicks in a channel with /names", "nobody is called %q now", who)
	}
	return cloak, err
}

func ircUnban(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "unban CLOAK",
		Short:   "End a ban",
		Long:    "Unban ends a ban of those that `tunic irc bans` lists.",
		Example: "  tunic irc unban u.98f6ef32",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cloakPattern.MatchString(args[0]) {
				return usageError("`tunic irc bans` lists them", "%q is no cloak, such as u.98f6ef32", args[0])
			}
			return a.withIRC(cmd.Context(), func(s *irc.Session) error {
				err := s.Unban(args[0])
				if err == nil {
					a.printf("%s is let in again\n", args[0])
				}
				return err
			})
		},
	}
}

func ircBans(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "bans",
		Short:   "List who is not let in",
		Example: "  tunic irc bans",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withIRC(cmd.Context(), func(s *irc.Session) error {
				list, err := s.Bans()
				if err != nil || asJSON {
					return errors.Join(err, a.json(append([]string{}, list...)))
				}
				for _, cloak := range list {
					a.printf("%s\n", cloak)
				}
				if len(list) == 0 {
					a.printf("nobody is banned\n")
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// noIRC says why the IRC server does not answer.
func (a *app) noIRC(ctx context.Context) error {
	s, err := a.client().Status(ctx)
	switch i := slices.IndexFunc(s.Servers, func(s api.Server) bool { return s.Name == "ngircd" }); {
	case err != nil:
		return err
	case i < 0:
		return &failure{exitFailed, errors.New("this box has no IRC server"),
			"the file endpoints/irc.toml, which may be empty, sets one up"}
	case s.Servers[i].Error != "":
		return &failure{exitFailed, fmt.Errorf("the IRC server does not run: %s", s.Servers[i].Error),
			"`tunic status` says more: " + strings.TrimSpace(s.Why)}
	}
	return &failure{exitFailed, errors.New("the IRC server is being started"),
		"try again in a moment; `tunic logs ngircd` shows what it says"}
}

// ircSecrets are what the operator logs in with. To whom the box is shut it looks as if
// there were none: they are told the former.
func (a *app) ircSecrets(ctx context.Context) (irc.Secrets, error) {
	secrets, err := chat.Secrets(a.paths())
	if err == nil {
		return secrets, nil
	}
	if _, shut := a.client().Status(ctx); errors.As(shut, new(*api.Failure)) {
		return secrets, shut
	}
	return secrets, err
}

// withIRC logs in to the box's server, and out again.
func (a *app) withIRC(ctx context.Context, do func(*irc.Session) error) error {
	secrets, err := a.ircSecrets(ctx)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(config.NgircdPort))))
	if err != nil {
		return a.noIRC(ctx)
	}
	defer conn.Close()
	s, err := irc.LogIn(conn, fmt.Sprintf("tunic%d", os.Getpid()%100000), secrets)
	if err != nil {
		return fmt.Errorf("logging in to the IRC server: %w", err)
	}
	defer s.Close()
	return do(s)
}
