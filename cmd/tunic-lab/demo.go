package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tunic/internal/lab"
	"tunic/internal/lab/house"
)

// demoLimit bounds the whole story.
const demoLimit = 4 * time.Minute

func demoCommand(id *string) *cobra.Command {
	keep := false
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Tell the whole story in a table",
		Long: `Builds a lab, has the devices of two households do what people do, and prints a
table of what happened with timings. The lab is taken down at the end. The exit
status is 1 if any step failed.`,
		Example: "  tunic-lab demo\n  tunic-lab demo --keep    # leaves the lab running, to look around",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), demoLimit)
			defer cancel()
			return runDemo(ctx, cmd, *id, keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the lab running")
	return cmd
}

func runDemo(ctx context.Context, cmd *cobra.Command, id string, keep bool) (err error) {
	plan, err := lab.NewPlan(id, 2)
	if err != nil {
		return usageError{err}
	}
	binDir, err := lab.BinDir()
	if err != nil {
		return err
	}
	begin := time.Now()
	l, err := lab.Up(ctx, lab.Options{ID: id, BinDir: binDir, Daemons: plan.Gateways(),
		Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)), Progress: progress(cmd)})
	if err != nil {
		return err
	}
	if !keep {
		defer func() { err = errors.Join(err, l.Down(context.WithoutCancel(ctx), false)) }()
	}
	d := &demo{lab: l, out: cmd.OutOrStdout()}
	d.rows = append(d.rows, row{what: "private Tor network and two households, both gateways ready", took: time.Since(begin),
		saw: "9 nodes"})
	for _, s := range story {
		d.tell(ctx, s)
	}
	return d.table()
}

// demo is one telling of the story.
type demo struct {
	lab    *lab.Lab
	out    io.Writer
	rows   []row
	photos string // the nas's onion address
}

type row struct {
	what, saw string
	took      time.Duration
	err       error
}

// step is one thing that happens; do returns what was seen.
type step struct {
	what string
	do   func(context.Context, *demo) (string, error)
}

func (d *demo) tell(ctx context.Context, s step) {
	begin := time.Now()
	saw, err := s.do(ctx, d)
	d.rows = append(d.rows, row{s.what, saw, time.Since(begin), err})
	mark := "ok"
	if err != nil {
		mark = "FAILED: " + err.Error()
	}
	fmt.Fprintf(d.out, "%9s  %s: %s\n", "", s.what, mark)
}

func (d *demo) table() error {
	fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tRESULT\tTIME\tSEEN")
	failed := 0
	for _, r := range d.rows {
		result, saw := "ok", r.saw
		if r.err != nil {
			result, saw = "FAILED", strings.ReplaceAll(r.err.Error(), "\n", " ")
			failed++
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f s\t%s\n", r.what, result, r.took.Seconds(), saw)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d steps failed", failed, len(d.rows))
	}
	return nil
}

// run runs a command on a node; a status other than 0 is an error.
func (d *demo) run(ctx context.Context, node string, args ...string) (string, error) {
	return house.Run(ctx, d.lab, node, args...)
}

// tryPause is between two tries of what may fail at first: a descriptor takes
// some seconds to reach the directories.
const tryPause = 300 * time.Millisecond

// kill9 ends the daemon of a gateway without a word of warning.
func (d *demo) kill9(ctx context.Context, gateway string) error {
	n, err := house.Signal(ctx, d.lab, gateway, syscall.SIGKILL, "tunic", "run")
	if err == nil && n != 1 {
		err = fmt.Errorf("%d daemons ran on %s", n, gateway)
	}
	return err
}
