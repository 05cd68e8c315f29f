package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tunic/gateway/ntp"
	"tunic/gateway/relaytime"
)

// built is when this version was committed, in seconds of Unix; the build sets
// it (-ldflags -X).
var built = ""

// buildTime is before every moment at which this program runs.
func buildTime() time.Time {
	seconds, err := strconv.ParseInt(built, 10, 64)
	if err != nil {
		return time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC) // no version with this code is older
	}
	return time.Unix(seconds, 0).UTC()
}

func clockCommand(a *app) *cobra.Command {
	var service bool
	c := &cobra.Command{
		Use:    "clock",
		Short:  "Ask relays of the Tor network for the time and set the clock; started by tunic-clock.service",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if service {
				return a.keepClock(cmd.Context())
			}
			if a.uid == 0 {
				return &failure{exitUsage, errors.New("what root asks for is led into Tor, which needs the time first"),
					"use systemctl start tunic-clock"}
			}
			torrc, err := awaitFile(cmd.Context(), a.paths().Torrc(), torrcLimit)
			return a.tellTime(cmd.Context(), machineClock(), torrc, err)
		},
	}
	c.Flags().BoolVar(&service, "service", false, "as root, where systemd does not: start it as tor's user, again and again")
	return c
}

// torrcLimit is how long the daemon may take to write tor's configuration.
const torrcLimit = 2 * time.Minute

// awaitFile reads a file as soon as it is there.
func awaitFile(ctx context.Context, path string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		text, err := os.ReadFile(path)
		if !errors.Is(err, fs.ErrNotExist) || !pause(ctx, time.Second) {
			return string(text), err
		}
	}
}

// wallClock is the machine's.
type wallClock struct {
	now  func() time.Time
	set  func(time.Time) error
	boot func() time.Duration // since the machine started, also while it slept (CLOCK_BOOTTIME)
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

func machineClock() wallClock {
	return wallClock{now: time.Now, set: setClock, boot: ntp.SinceBoot, dial: new(net.Dialer).DialContext}
}

func setClock(t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return fmt.Errorf("setting the clock: %w", err)
	}
	return nil
}

// mostWrong is how wrong a clock may be and is still left to whoever keeps it.
const mostWrong = 5 * time.Second

// tellTime moves the clock to what is certain, then to what most relays say,
// and leaves a note for the daemon. Where the torrc could not be read, that is
// the error, after the first step.
func (a *app) tellTime(ctx context.Context, c wallClock, torrc string, readErr error) error {
	data := a.paths().TorData()
	floor := relaytime.Floor(buildTime(), filepath.Join(data, "cached-microdesc-consensus"), filepath.Join(data, "cached-consensus"))
	before := c.now()
	if before.Before(floor) {
		if err := c.set(floor); err != nil {
			return err
		}
		a.printf("the clock said %s; it is after %s\n", before.UTC().Format(time.DateTime), floor.Format(time.DateTime))
	}
	if readErr != nil {
		return fmt.Errorf("reading which relays tor would ask: %w", readErr)
	}
	agreed, err := a.askRelays(ctx, c, torrc)
	if err != nil {
		return &failure{exitFailed, err,
			"it is tried again; without internet, or with bridges that need a program, set the clock: date -s 'YYYY-MM-DD HH:MM'"}
	}
	return a.correct(c, agreed)
}

// askRelays asks whoever tor would speak with.
func (a *app) askRelays(ctx context.Context, c wallClock, torrc string) (relaytime.Agreed, error) {
	relays, err := relaytime.Ways(torrc)
	if err != nil {
		return relaytime.Agreed{}, err
	}
	answers, errs := relaytime.Asker{Dial: c.dial, Boot: c.boot}.Ask(ctx, relays)
	agreed, err := relaytime.Agree(answers, len(relays), buildTime(), c.boot())
	if err != nil {
		return agreed, errors.Join(append([]error{err}, errs...)...)
	}
	return agreed, nil
}

// correct sets the clock if it is far from what was agreed, and keeps the note.
func (a *app) correct(c wallClock, agreed relaytime.Agreed) error {
	boot := c.boot()
	note := relaytime.Note{Start: agreed.Start, Error: agreed.Error, Count: agreed.Count, Asked: agreed.Asked, Boot: boot}
	wrong := note.Now(boot).Sub(c.now())
	if wrong.Abs() <= mostWrong {
		a.printf("%d of %d relays agree with the clock\n", agreed.Count, agreed.Asked)
		return note.Write(a.paths().Clock())
	}
	if err := c.set(note.Now(c.boot())); err != nil {
		return err
	}
	a.printf("the clock was wrong by %s; %d of %d relays agree on %s\n",
		wrong.Round(time.Second).Abs(), agreed.Count, agreed.Asked, note.Now(boot).Format(time.DateTime))
	return note.Write(a.paths().Clock())
}
