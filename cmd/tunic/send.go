package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tunic/gateway/drop"
	"tunic/gateway/endpoint/mux"
	"tunic/gateway/health"
)

func sendCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "send FRIEND FILE...",
		Short: "Send files to a friend's box",
		Long: `Send copies files to the inbox of a friend's box, where their people find them (there:
` + "`tunic inbox`" + `). Both boxes prove who they are first. A file arrives whole or not at all: its
sum is checked, and it is on the other box's disk when send says so. It replaces none that is there.

While the other box is not there, or the connection breaks, send tries again for an hour.
It needs root, for the key by which this box is known, and a daemon that is connected to Tor.
The exit status is 0 if all files have arrived, and 1 otherwise.`,
		Example: `  tunic send alice photo.jpg
  tunic send alice *.jpg
  tar c photos > photos.tar && tunic send alice photos.tar`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.send(cmd.Context(), args[0], args[1:]) },
	}
}

// Bounds of sending: how long it is tried without success, and how soon again.
const (
	sendLimit   = time.Hour
	firstPause  = 5 * time.Second
	longestWait = time.Minute
)

// How long the other box may take nothing of a file, and then need to have it on its disk.
const (
	takePatience = 3 * time.Minute
	diskPatience = 15 * time.Minute
)

func (a *app) send(ctx context.Context, friend string, paths []string) error {
	caller, err := a.callerOf(ctx, friend)
	if err != nil {
		return err
	}
	missing := 0
	for _, path := range paths {
		kept, err := a.sendFile(ctx, caller, path)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			a.printf("%s: %s has it as %s\n", oneLine(path), friend, oneLine(kept))
			continue
		case len(paths) == 1 || errors.Is(err, errAway):
			return err
		}
		missing++
		fmt.Fprintf(a.err, "%s\n", oneLine(err.Error()))
	}
	if missing > 0 {
		return &failure{exitFailed, fmt.Errorf("%d of %d files have not arrived", missing, len(paths)), ""}
	}
	return nil
}

// errAway says that an hour was not enough.
var errAway = errors.New("it was tried for an hour")

// sendFile sends a file until it is kept, refused, or the time is over.
func (a *app) sendFile(ctx context.Context, to caller, path string) (kept string, err error) {
	f, h, err := announced(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	over := time.Now().Add(sendLimit)
	for pause := firstPause; ; pause = min(2*pause, longestWait) {
		kept, err = a.sendOnce(ctx, to, f, h)
		switch {
		case err == nil:
			return kept, nil
		case ctx.Err() != nil, errors.Is(err, drop.ErrShorter):
			return "", fmt.Errorf("%s: %w", path, err)
		case errors.Is(err, mux.ErrNone):
			return "", &failure{exitFailed, fmt.Errorf("%s takes no files from this box", to.friend),
				"its people choose how much: quota in [inbox] of its tunic.toml"}
		case errors.Is(err, drop.ErrRefused):
			return "", fmt.Errorf("%s: %s's box: %w", path, to.friend, err)
		case time.Now().Add(pause).After(over):
			return "", fmt.Errorf("%s: %w: %w", path, errAway, err)
		}
		fmt.Fprintf(a.err, "%s; trying again until %s\n", oneLine(health.Words(err.Error())), over.Format("15:04"))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// announced opens a file and computes what is said of it first.
func announced(path string) (f *os.File, h drop.Header, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, h, usageError("name a file that is there: tunic send FRIEND FILE", "there is no file %s", path)
	}
	if err != nil {
		return nil, h, err
	}
	if !info.Mode().IsRegular() {
		return nil, h, usageError("put a directory into one file first: tar c DIR > DIR.tar", "%s is no file", path)
	}
	if f, err = os.Open(path); err != nil {
		return nil, h, err
	}
	sum := sha256.New()
	if h.Size, err = io.Copy(sum, f); err != nil {
		f.Close()
		return nil, h, err
	}
	h.Name, h.Sum = filepath.Base(path), [32]byte(sum.Sum(nil))
	return f, h, nil
}

// sendOnce sends a file on a connection of its own.
func (a *app) sendOnce(ctx context.Context, to caller, f *os.File, h drop.Header) (kept string, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	c, err := to.call(ctx, drop.Service)
	if err != nil {
		return "", err
	}
	defer c.NetConn().Close()
	defer context.AfterFunc(ctx, func() { c.NetConn().Close() })()
	show := a.terminalLine()
	c.NetConn().SetDeadline(time.Now().Add(takePatience))
	kept, err = drop.Send(c, h, &watched{f, c, h, 0, show})
	show("")
	if err == nil {
		c.Close()
	}
	return kept, err
}

// watched is a file that is being sent: each piece has its time, and is shown.
type watched struct {
	io.Reader
	c    *tls.Conn
	h    drop.Header
	read int64
	show func(string)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.read += int64(n)
	patience := takePatience
	if w.read >= w.h.Size {
		patience = diskPatience
	}
	w.c.NetConn().SetDeadline(time.Now().Add(patience))
	w.show(fmt.Sprintf("%s: %s of %s", oneLine(w.h.Name), size(w.read), size(w.h.Size)))
	return n, err
}

// terminalLine shows one line on a terminal, a few times a second at most, and takes it
// away when it is "".
func (a *app) terminalLine() func(text string) {
	f, ok := raw(a.err).(*os.File)
	if !ok || !isTerminal(f) {
		return func(string) {}
	}
	var last time.Time
	return func(text string) {
		if text != "" && time.Since(last) < 300*time.Millisecond {
			return
		}
		last = time.Now()
		fmt.Fprintf(f, "\r\x1b[K%s", text) // ECMA-48, EL: the rest of the line is erased
	}
}
