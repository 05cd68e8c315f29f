package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/account"
	"tunic/gateway/api"
	"tunic/gateway/setup"
)

// torLimit is what Tor may take to connect for the first time.
const torLimit = 5 * time.Minute

// setupApart are flags of setup that mean different things to do.
var setupApart = [][2]string{{"confirm", "undo"}, {"confirm", "page"}, {"undo", "page"},
	{"confirm", "access-point"}, {"page", "access-point"}}

// setupTogether says which flags do not go together; cobra's words for it are a programmer's.
func setupTogether(c *cobra.Command) error {
	for _, two := range setupApart {
		if c.Flags().Changed(two[0]) && c.Flags().Changed(two[1]) {
			return usageError("say one of them; see `tunic setup --help`", "--%s and --%s do not go together", two[0], two[1])
		}
	}
	return nil
}

func setupCommand(a *app) *cobra.Command {
	var confirm, undo, unconfirmed, radio, onPage bool
	within := 2 * time.Minute
	c := &cobra.Command{
		Use:   "setup",
		Short: "Make this box the household's gateway, by a few questions",
		Long: `Setup finds this box's interfaces, says where each leads, and asks five questions at
the most: the household, other networks, ssh from outside, mail and chat, the first
user. It writes tunic.toml, shows what will happen, does it when you say yes, and waits
until Tor is connected. Then you have two minutes to confirm: if nobody does, because the
connection to the box is gone for one, everything is taken back by itself.

Nothing is changed before the last yes, and Control-C ends it at any time. Run again, it
has the present values for answers; keys that it does not ask for stay as they are, and
the old file is kept beside the new one. Answers can also come from a file, one a line;
an empty line takes what is in brackets.

With --page the questions are answered in a browser of the household instead: the terminal
shows a code and where to open the page. See docs/setup.md.

With --access-point it makes a Wi-Fi access point of an interface instead, with a password
and WPA2 or WPA3, by NetworkManager or hostapd, whichever runs. It asks for the country.

It exits with 1 when nothing was changed or all was taken back, and with 3 when that was
because Tor did not connect.`,
		Example: `  sudo tunic setup
  sudo tunic setup --page        # in a browser
  sudo tunic setup --confirm     # from another login, if the first one is gone
  sudo tunic setup --undo        # as it was before the last setup
  sudo tunic setup --access-point`,
		Args: func(c *cobra.Command, args []string) error { return cmp.Or(setupTogether(c), cobra.NoArgs(c, args)) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.uid != 0 {
				return &failure{exitFailed, errors.New("only root may set the box up"), asRoot}
			}
			if a.root != "" && a.root != "/" {
				return usageError("run it in the system whose root that is", "setup starts units of this system, which have no --root")
			}
			if within < time.Second || within > time.Hour {
				return usageError("example: tunic setup --confirm-within 5m", "--confirm-within: between 1s and 1h")
			}
			s := a.newSetup(within)
			switch {
			case radio && undo:
				return a.newRadio(cmd.Context()).undo(cmd.Context(), false)
			case radio:
				return a.newRadio(cmd.Context()).run(cmd.Context())
			case confirm:
				return s.keep(cmd.Context())
			case undo:
				return s.undo(cmd.Context(), unconfirmed)
			case onPage:
				return s.runPage(cmd.Context())
			}
			return s.run(cmd.Context())
		},
	}
	c.Flags().BoolVar(&confirm, "confirm", false, "confirm the setup that waits for it")
	c.Flags().BoolVar(&undo, "undo", false, "take the last setup back")
	c.Flags().BoolVar(&radio, "access-point", false, "make a Wi-Fi access point, or with --undo take it away")
	c.Flags().BoolVar(&onPage, "page", false, "ask the questions in a browser of the household")
	c.Flags().BoolVar(&unconfirmed, "unconfirmed", false, "with --undo: do nothing if it was confirmed")
	c.Flags().Var((*span)(&within), "confirm-within", "how long to wait for the confirmation")
	for _, two := range setupApart {
		c.MarkFlagsMutuallyExclusive(two[:]...) // so that the shell completes neither after the other
	}
	if f := c.Flags().Lookup("unconfirmed"); f != nil {
		f.Hidden = true // the timer's
	}
	return c
}

// setupRun is one setup, with the parts of the system that it changes.
type setupRun struct {
	*app
	asker     *setup.Asker
	installer setup.Installer
	look      func(context.Context) (setup.Box, error)
	packages  packages
	plan      func(context.Context, setup.Box, setup.Plan) ([]string, error) // what `tunic plan` has in detail
	page      *setupPage                                                     // nil: the questions are asked on the terminal
	listen    func(context.Context, setup.Door) (net.Listener, error)        // for the page
}

// packages are those of the distribution.
type packages interface {
	Missing(ctx context.Context, names []string) ([]string, error)
	Install(ctx context.Context, names []string) error // and starts none of them
}

func (a *app) newSetup(within time.Duration) *setupRun {
	in := bufio.NewReader(a.in)
	s := &setupRun{app: a, look: a.lookAround, packages: apt{a.err}, plan: a.planStaged, listen: listenAt}
	s.asker = &setup.Asker{Out: a.out, Line: func(ctx context.Context) (string, error) { return readLine(ctx, in) },
		Secret: func(ctx context.Context, name string) (string, bool, error) { return a.newPassword(ctx, in, name) }}
	s.installer = setup.Installer{Journal: setup.Journal{Dir: a.paths().Setup()}, Services: services{}, Household: ownHousehold{a},
		Confirm: within, Tor: torLimit}
	return s
}

// newPassword is password with a reader that has lines of other answers too.
func (a *app) newPassword(ctx context.Context, in *bufio.Reader, name string) (password string, made bool, err error) {
	if f, ok := a.in.(*os.File); ok && isTerminal(f) {
		password, err = a.askTwice(ctx, f, in, name)
	} else {
		a.printf("Password for %s (leave empty to have one generated):\n", name)
		password, err = readLine(ctx, in)
	}
	switch {
	case errors.Is(err, io.EOF):
		return "", false, setup.ErrEnded
	case err != nil:
		return "", false, err
	case password == "":
		return account.Generate(), true, nil
	}
	return password, false, account.CheckPassword(name, password)
}

const nothingChanged = "nothing was changed"

// run asks, shows, does and has it confirmed.
func (s *setupRun) run(ctx context.Context) error {
	if err := s.earlier(ctx); err != nil {
		return err
	}
	box, err := s.look(ctx)
	if err != nil {
		return err
	}
	s.printf("tunic makes this box the gateway through which your household reaches the internet by Tor.\n" +
		"Nothing is changed before the last question. An empty line takes what is in brackets.\n\n")
	answers, err := s.asker.Questions(ctx, box, account.CheckName)
	if err != nil {
		return unchanged(err)
	}
	p, err := s.app.setupPlan(box, answers, time.Now())
	if err != nil {
		return unchanged(err)
	}
	missing, err := s.packages.Missing(ctx, answers.Packages())
	if err != nil {
		return unchanged(err)
	}
	if err := s.agree(ctx, box, answers, p, missing); err != nil {
		return unchanged(err)
	}
	return s.install(ctx, box, answers, p, missing)
}

// install makes what was agreed so.
func (s *setupRun) install(ctx context.Context, box setup.Box, answers setup.Answers, p setup.Plan, missing []string) error {
	if len(missing) > 0 {
		s.printf("installing: %s\n", strings.Join(missing, " "))
		if err := s.packages.Install(ctx, missing); err != nil {
			return &failure{exitFailed, err, "nothing else was changed; run `tunic setup` again when it is solved"}
		}
	}
	return s.apply(ctx, box, answers, p)
}

// unchanged is an error before the first change.
func unchanged(err error) error {
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return &failure{exitFailed, err, nothingChanged}
}

// earlier deals with a setup that nobody has confirmed.
func (s *setupRun) earlier(ctx context.Context) error {
	deadline, err := s.installer.Pending()
	switch {
	case errors.Is(err, setup.ErrNoSetup), errors.Is(err, setup.ErrConfirmed):
		return nil
	case err != nil:
		return err
	case time.Now().Before(deadline):
		return &failure{exitFailed, setup.ErrPending, "confirm it by `tunic setup --confirm`, or take it back by `tunic setup --undo`"}
	}
	// The box lost its power before the timer.
	s.printf("A setup was begun on this box and never confirmed: it is taken back first.\n")
	return s.undo(ctx, true)
}

// agree shows what will happen and asks for a yes.
func (s *setupRun) agree(ctx context.Context, box setup.Box, answers setup.Answers, p setup.Plan, missing []string) error {
	detail, err := s.plan(ctx, box, p)
	if err != nil {
		return err
	}
	if warnings := setup.Warnings(box, answers); len(warnings) > 0 {
		s.printf("\nPlease note:\n")
		for _, w := range warnings {
			s.print("  - " + strings.ReplaceAll(w, "\n", "\n    ") + "\n")
		}
	}
	s.printf("\nThis will happen:\n")
	for _, line := range setup.Steps(box, answers, p, missing) {
		s.print("  - " + strings.ReplaceAll(line, "\n", "\n      ") + "\n")
	}
	yes, err := s.asker.Agree(ctx, fmt.Sprintf("\nDo it? It is taken back unless you confirm it within %s.\n   (yes, no, details)",
		api.SpanWords(s.installer.Confirm)), detail)
	if err == nil && !yes {
		err = errors.New("you did not say yes")
	}
	return err
}

// apply makes the plan so, and has it confirmed.
func (s *setupRun) apply(ctx context.Context, box setup.Box, answers setup.Answers, p setup.Plan) error {
	s.printf("starting; Tor may take a minute to connect\n")
	if err := s.installer.Apply(ctx, p); err != nil {
		return takenBack(err)
	}
	if answers.Made {
		s.printf("password of %s: %s\n", answers.User, answers.Password)
	}
	s.printf("\nProtected: what is behind %s goes through Tor or does not leave.\n", strings.Join(answers.Household, " and "))
	err := s.confirmed(ctx)
	switch {
	case err == nil:
		s.printf("\nconfirmed; the box starts so from now on. `tunic status` shows the state, `tunic setup --undo` takes it back.\n")
		return nil
	case errors.Is(err, setup.ErrNoSetup):
		return takenBack(errors.New("nobody confirmed it in time"))
	}
	if _, undone := s.installer.Undo(context.WithoutCancel(ctx), true); undone != nil && !errors.Is(undone, setup.ErrNoSetup) {
		return errors.Join(err, undone)
	}
	return takenBack(err)
}

func takenBack(err error) error {
	code := exitFailed
	if f, ok := errors.AsType[*failure](err); ok {
		code, err = f.code, f.err
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	if errors.Is(err, setup.ErrNotBack) {
		return &failure{code, err, "run `tunic setup --undo` again when it is solved"}
	}
	if errors.Is(err, setup.ErrPending) {
		return &failure{exitFailed, err, "confirm it by `tunic setup --confirm`, or take it back by `tunic setup --undo`"}
	}
	return &failure{code, err, "everything was taken back: the box is as it was before"}
}

// confirmed waits for a yes, here or at another login, or for the end of the time.
func (s *setupRun) confirmed(ctx context.Context) error {
	deadline, err := s.installer.Pending()
	if err != nil {
		return err
	}
	s.printf("Is the box still reachable for you, by a new ssh connection for one? Type yes within %s to keep this;\n"+
		"from another login: sudo tunic setup --confirm\n", api.SpanWords(s.installer.Confirm))
	timed, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	elsewhere := make(chan error, 1)
	go func() { elsewhere <- s.decided(timed) }()
	yes := make(chan error, 1)
	go func() { yes <- s.asker.Yes(timed) }()
	var onPage <-chan error
	if s.page != nil {
		onPage = s.page.waits(deadline)
	}
	isDecided, err := decision(elsewhere, yes, onPage)
	if isDecided {
		return err
	}
	switch {
	case err == nil:
		if err = s.installer.Keep(context.WithoutCancel(ctx)); errors.Is(err, setup.ErrConfirmed) {
			err = nil
		}
		s.lookAgain(context.WithoutCancel(ctx))
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("nobody confirmed it in time")
	}
	return err
}

// decision is the first of those who may decide. It is made already, if it was elsewhere.
// A page goes on where nobody can type any more.
func decision(elsewhere, typed, onPage <-chan error) (made bool, err error) {
	for {
		select {
		case err := <-elsewhere:
			return true, err
		case err := <-onPage:
			return false, err
		case err := <-typed:
			if onPage == nil || !errors.Is(err, setup.ErrInputEnded) {
				return false, err
			}
			typed = nil
		}
	}
}

// decided returns when somebody has confirmed the setup, or when it was taken back.
func (s *setupRun) decided(ctx context.Context) error {
	for pause(ctx, 250*time.Millisecond) {
		switch _, err := s.installer.Pending(); {
		case errors.Is(err, setup.ErrConfirmed):
			return nil
		case err != nil:
			return err
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("nobody confirmed it in time")
	}
	return ctx.Err()
}

// lookAgain has the daemon see that Debian's tor has ended. Otherwise the first status
// that people look at warns of it; without an answer it does so for half a minute.
func (s *setupRun) lookAgain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = s.client().Reload(ctx)
}

func (s *setupRun) keep(ctx context.Context) error {
	switch err := s.installer.Keep(ctx); {
	case errors.Is(err, setup.ErrConfirmed):
	case errors.Is(err, setup.ErrNoSetup):
		return &failure{exitFailed, err, "`tunic setup` makes one"}
	case err != nil:
		return err
	}
	s.lookAgain(ctx)
	s.printf("confirmed; the box starts so from now on\n")
	return nil
}

func (s *setupRun) undo(ctx context.Context, unconfirmed bool) error {
	kept, err := s.installer.Undo(ctx, unconfirmed)
	for _, path := range kept {
		s.printf("%s has what was changed since the setup\n", path)
	}
	switch {
	case unconfirmed && errors.Is(err, setup.ErrConfirmed), unconfirmed && errors.Is(err, setup.ErrNoSetup):
		return nil
	case errors.Is(err, setup.ErrNoSetup):
		return &failure{exitFailed, err, nothingChanged}
	case err != nil:
		return &failure{exitFailed, err, "run `tunic setup --undo` again when it is solved"}
	}
	s.printf("the setup is taken back: the box is as it was before\n")
	return nil
}
