package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"tunic/gateway/api"
	"tunic/gateway/box"
	"tunic/gateway/config"
	"tunic/gateway/durable"
	"tunic/gateway/machine"
	"tunic/rules/netfilter"
)

// version is what `tunic version` prints; the build sets it (-ldflags -X).
var version = "development"

// Exit statuses; exitWords explains them.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2 // wrong usage or configuration
	exitNotReady = 3
	exitConfig   = 78 // the daemon's exitUsage (EX_CONFIG, sysexits(3)): Go ends a crashed program with 2, and that is started again
)

// app is what every verb needs of its surroundings.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	root     string
	uid      int    // who asks
	recent   recent // of the daemon's log
}

func (a *app) paths() config.Paths { return config.NewPaths(a.root) }
func (a *app) client() *api.Client { return api.NewClient(a.paths().API()) }

// printf prints what the format says, and none of its arguments begins a line.
func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.out, format, inLines(args)...) }

// print prints lines.
func (a *app) print(text string) { io.WriteString(a.out, text) }

// json prints v for scripts.
func (a *app) json(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(escaped(text), '\n'))
	return err
}

// failure is an error with its exit status and what to do next.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usageError(hint, format string, args ...any) error {
	return &failure{exitUsage, fmt.Errorf(format, args...), hint}
}

// wrongInput is for errors that the owner's words or files led to; where they
// could not even be read or written, that is said instead, with the status of a
// failure.
func wrongInput(err error, hint string) error {
	if durable.Trouble(err) {
		return err // explain knows what to do
	}
	return &failure{exitUsage, err, hint}
}

// execute runs one command line and returns its exit status.
func execute(ctx context.Context, a *app, args []string) int {
	a.out, a.err = visible{worded{a.out, a}}, visible{worded{a.err, a}}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	verb, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	f := a.helped(explain(err))
	if asked := verb.Flags().Lookup("json"); asked != nil && asked.Changed {
		a.jsonFailure(f)
		return f.code
	}
	for i, line := range strings.Split(strings.TrimRight(f.err.Error(), "\n"), "\n") {
		if i == 0 {
			line = "tunic: " + line
		}
		fmt.Fprintln(a.err, line)
	}
	if f.hint != "" {
		fmt.Fprintln(a.err, "  "+f.hint)
	}
	return f.code
}

// jsonFailure prints a failure for scripts that asked for JSON, on standard error.
func (a *app) jsonFailure(f *failure) {
	text, err := json.Marshal(struct {
		Error string `json:"error"`
		Hint  string `json:"hint"`
		Exit  int    `json:"exit"`
	}{f.Error(), f.hint, f.code})
	if err == nil { // text is always one
		a.err.Write(append(escaped(text), '\n'))
	}
}

// explain finds the exit status and the hint of an error.
func explain(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if f, ok := errors.AsType[*api.Failure](err); ok {
		code := exitFailed
		if f.Usage {
			code = exitUsage
		}
		return &failure{code, f, f.Hint}
	}
	if errors.Is(err, context.Canceled) {
		return &failure{exitFailed, errors.New("interrupted"), ""}
	}
	if errors.Is(err, api.ErrNotRunning) {
		return &failure{exitFailed, err, notRunning}
	}
	if errors.Is(err, box.ErrNewerState) {
		return &failure{exitUsage, err, "nothing was changed; install that version of tunic, or a later one, again"}
	}
	// no start that comes later finds it otherwise
	if _, ok := errors.AsType[config.Errors](err); ok || errors.Is(err, netfilter.ErrMixed) {
		return &failure{exitUsage, err, ""}
	}
	if none, ok := errors.AsType[*machine.NoUserError](err); ok {
		return &failure{exitFailed, err, "make it: useradd --system --no-create-home --shell /usr/sbin/nologin " + none.Name}
	}
	if errors.Is(err, box.ErrRunning) {
		return &failure{exitFailed, err, "stop it first: systemctl stop tunic"}
	}
	return &failure{exitFailed, err, ""}
}

// notRunning is what helps where there is no daemon.
const notRunning = "start it with `systemctl start tunic`, or `tunic run` in a terminal"

// notSetUp is what helps where there is no configuration either: its unit would not start.
const notSetUp = "this box is not set up yet: `tunic setup` makes it the household's gateway"

// notSetUp reports whether nobody has written a configuration.
func (a *app) notSetUp() bool {
	_, err := os.Lstat(a.paths().Main())
	return errors.Is(err, fs.ErrNotExist)
}

// asRoot is what helps who may not read or change something.
const asRoot = "run the command as root (sudo)"

// forbidden is how programs and the kernel say so; on the way to here an error may
// have become text.
var forbidden = regexp.MustCompile(`(?i)permission denied|operation not permitted|must be root`)

// helped is a failure with the hint that helps somebody who is not root. What the
// verb itself has to say would lead astray: it could not look.
func (a *app) helped(f *failure) *failure {
	if errors.Is(f, api.ErrNotRunning) && a.notSetUp() {
		f = &failure{f.code, f.err, notSetUp}
	}
	switch {
	case a.uid == 0:
	case forbidden.MatchString(f.Error()):
		return &failure{f.code, f.err, asRoot}
	case errors.Is(f, api.ErrNotRunning):
		return &failure{f.code, f.err, f.hint + "; and " + asRoot}
	}
	return f
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "tunic",
		Short: "Put a household behind Tor, and give its services permanent onion addresses",
		Long: `tunic turns a router or a Raspberry Pi into the household's onion gateway.

Everything the household's devices send leaves through Tor or does not leave at
all, and any service on the LAN gets a permanent onion address.

All verbs that change the box are for root (sudo). Members of the group tunic-look
may look: status, devices, friends, onions, why, bypass list.

Pages that messages name, such as docs/mail.md, are in /usr/share/doc/tunic; built from
source, in /usr/local/share/doc/tunic.`,
		Example: `  tunic check                                  # is the configuration right?
  tunic run                                    # the daemon (systemd does this)
  tunic status
  tunic publish photos 80=192.168.1.20:8080    # a permanent address for a LAN service`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		Version:       version,
	}
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		hint := "`tunic --help` lists the verbs"
		if near := c.SuggestionsFor(args[0]); otherWords[args[0]] != "" {
			hint = "did you mean `" + otherWords[args[0]] + "`?"
		} else if len(near) > 0 {
			hint = "did you mean `tunic " + near[0] + "`?"
		}
		return usageError(hint, "unknown verb %q", args[0])
	}
	root.SuggestionsMinimumDistance = 2
	root.PersistentFlags().StringVar(&a.root, "root", a.env("TUNIC_ROOT"), "directory that all of tunic's paths begin with (or TUNIC_ROOT)")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("see `"+c.CommandPath()+" --help`", "%v", flagError(err))
	})
	addVerbs(root, a)
	finishCompletion(root)
	finishHelp(root)
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			addCompletion(c, a)
		}
	}
	return root
}

// finishHelp has the verb that cobra makes by itself refuse words that are no verb.
func finishHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() != "help" {
			continue
		}
		c.Args = func(_ *cobra.Command, args []string) error {
			if _, rest, err := root.Find(args); err == nil && len(rest) > 0 {
				return usageError("`tunic --help` lists the verbs", "no verb is called %q", strings.Join(args, " "))
			}
			return nil
		}
	}
}

// finishCompletion gives the verb that cobra makes by itself what all verbs
// have: an example, and an error for words that it does not know.
func finishCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Example = "  source <(tunic completion bash)"
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return usageError("there is: bash, zsh, fish, powershell", "no completion for %q", args[0])
		}
		for _, shell := range c.Commands() {
			shell.Args = usageArgs(shell.Args)
			shell.Example = "  tunic completion " + shell.Name()
		}
	}
}
