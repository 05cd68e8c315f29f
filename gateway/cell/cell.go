// Package cell runs a command for somebody who is not of the house: without network,
// privileges or a view of other processes, within bounds, and no longer than the stream
// that it serves.
//
// The daemon starts a first process for each command in namespaces of its own
// (supervise.Command.Apart). That is this program again (Main): it starts the command,
// and ends when the command, the stream or the time does. When it ends the kernel ends
// whatever came of the command. It needs no parent for that, so that a daemon or serve
// that is killed leaves nothing.
package cell

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"time"

	"tunic/gateway/supervise"
)

// Verb is the word by which this program is started as a cell.
const Verb = "cell"

// oomScore has the kernel end what friends run before anything of the house when
// memory runs out.
const oomScore = 1000

// Order is what to run, and its bounds.
type Order struct {
	Name      string   // in the log
	Command   []string // the program's path, and its arguments
	Env       []string // "KEY=value"; PATH and TZ are added
	UID, GID  uint32   // not root's
	Time      time.Duration
	Memory    int64 // bytes of data of each process
	Processes int   // and threads, at one time
}

// Start runs a command whose input and output is stream, a stream socket. When it is
// over, the status is written to status as one byte, and the stream is closed; with no
// byte it was ended. The files stay the caller's. confine is as in supervise.Command. The
// first lines that the command prints as errors go to the log.
func Start(o Order, stream, status *os.File, confine []string, log *slog.Logger) (*supervise.Process, error) {
	if o.UID == 0 || o.GID == 0 {
		return nil, errors.New("starting a command for a friend: it has no user of its own")
	}
	args := []string{Verb, first, strconv.Itoa(int(o.Time.Seconds())), strconv.FormatInt(o.Memory, 10), strconv.Itoa(o.Processes)}
	said := 0
	return supervise.Start(supervise.Command{
		Name: o.Name, Path: "/proc/self/exe", Args: slices.Concat(args, o.Command), Env: o.Env,
		SetUser: true, UID: o.UID, GID: o.GID, Apart: true, Confine: confine, Limits: supervise.Limits{OOMScore: oomScore},
		Files: []*os.File{stream, status},
	}, log, func(line string) {
		if said++; said <= maxSaid {
			log.Info("a command for a friend says", "service", o.Name, "line", line)
		}
	})
}

// maxSaid is how many lines of a command are logged: a friend may have it print any.
const maxSaid = 5

// Statuses beside those of the command itself, as shells and timeout(1) have them.
const (
	TimeOut   = 124 // the time was over
	NotFound  = 127 // there is no such program
	signalled = 128 // and the signal's number
)

// Words says what a status of 1 or more means.
func Words(status byte) string {
	switch {
	case status == TimeOut:
		return "its time was over"
	case status == NotFound:
		return "it could not be started"
	case status > signalled:
		return fmt.Sprintf("signal %d ended it", status-signalled)
	}
	return fmt.Sprintf("it ended with status %d", status)
}
