package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tunic/gateway/api"
)

func tryCommand(a *app) *cobra.Command {
	var r api.TryRequest
	var asJSON bool
	c := &cobra.Command{
		Use:   "try URL",
		Short: "Say whether a site opens through Tor, and why not",
		Long: `Try opens a page through Tor on circuits of its own: the name, the connection, the
certificate, the page, each with its time, and by which exit. Where that does not
work it tries once more by another exit, which tells a site that is away apart
from one that refuses an exit, and says what to do. It takes a minute at most, and
what is tried stands in no log.

With --from it says first whether that device goes there by Tor at all. Sites,
onions and friends' names are tried alike. The exit status is 3 if the site does
not open through Tor.`,
		Example: `  tunic try https://bank.example/login --from laptop
  tunic try photos.alice.peer.home.arpa
  tunic try bank.example --json | jq -r .verdict`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.URL = args[0]
			done := a.waiting("opening the page through Tor")
			t, err := a.client().Try(cmd.Context(), r)
			done()
			if err != nil {
				return err
			}
			if asJSON {
				if err := a.json(t); err != nil {
					return err
				}
			} else {
				a.printTry(t)
			}
			if t.Opens {
				return nil
			}
			return &failure{exitNotReady, errors.New(t.Verdict), t.Action}
		},
	}
	c.Flags().StringVar(&r.Device, "from", "", "look at this device's policy too: its name, MAC or IP address")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printTry prints the steps of each attempt, and the verdict on what opens; that on
// what does not is the verb's failure.
func (a *app) printTry(t api.Try) {
	from := ""
	if t.Device != "" {
		from = fmt.Sprintf(", from %s (policy %s)", t.Device, t.Policy)
	}
	a.printf("%s%s\n", t.URL, from)
	for i, one := range t.Attempts {
		a.printf("%s\n", attemptWords(i, one.Exit))
		for _, s := range one.Steps {
			a.printf("  %-5s %5.1f s  %s\n", stepNames[s.Step], s.Seconds, stepWords(s))
		}
	}
	if t.Opens {
		a.printf("%s\n", t.Verdict)
		if t.Action != "" {
			a.printf("  %s\n", t.Action)
		}
	}
}

var stepNames = map[string]string{"name": "name", "tcp": "TCP", "tls": "TLS", "http": "HTTP"}

func attemptWords(i int, e *api.TryExit) string {
	words := "through Tor"
	if i > 0 {
		words = "once more"
	}
	if e == nil {
		return words + ":"
	}
	words += ", by the exit " + e.Nickname
	if e.Address != "" {
		words += " " + e.Address
	}
	if e.Country != "" {
		words += " (" + e.Country + ")"
	}
	return words + ":"
}

func stepWords(s api.TryStep) string {
	if s.OK {
		return s.Saw
	}
	if s.Saw != "" {
		return "NO: " + s.Error + " (" + s.Saw + ")"
	}
	return "NO: " + s.Error
}

// waiting tells a terminal every few seconds that something is on its way, until the
// function that it returns is called.
func (a *app) waiting(what string) (done func()) {
	f, ok := raw(a.err).(*os.File)
	if !ok {
		return func() {}
	}
	if _, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for begin := time.Now(); ; {
			line := fmt.Sprintf("%s: %d s", what, int(time.Since(begin).Seconds()))
			io.WriteString(f, "\r"+line)
			if !pause(ctx, time.Second) {
				io.WriteString(f, "\r"+strings.Repeat(" ", len(line))+"\r")
				return
			}
		}
	}()
	return func() { cancel(); <-ended }
}
