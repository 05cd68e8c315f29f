package machines

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"tunic/internal/lab"
)

// shellReady is the line that a shell at the other end of a serial line begins
// with.
const shellReady = "the shell is ready"

// shell is a POSIX shell that reads commands from a line, one at a time.
type shell struct {
	conn  net.Conn
	lines *bufio.Reader
	dir   string // where it keeps what a command prints
	count int
}

// newShell waits for the shell at the other end, whatever else was said there.
func newShell(ctx context.Context, conn net.Conn, dir string) (*shell, error) {
	s := &shell{conn: conn, lines: bufio.NewReader(conn), dir: dir}
	defer s.bound(ctx)()
	if _, err := s.await(shellReady); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for a shell: %w", err), conn.Close())
	}
	return s, nil
}

// answer has the shell run a command and say the status, and both outputs in
// lines of their own, after a mark that no earlier command has.
const answer = `cd %s; (cd /; %s) </dev/null >lab.out 2>lab.err; echo "%s$?"; base64 -w0 lab.out; echo; base64 -w0 lab.err; echo
`

// commandLimit is how long a command may take on a slow machine.
const commandLimit = 5 * time.Minute

func (s *shell) exec(ctx context.Context, args []string) (lab.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	r, err := s.ask(ctx, args)
	if err != nil {
		return lab.Result{Code: -1}, fmt.Errorf("running %q by a shell: %w", args, err)
	}
	return r, nil
}

func (s *shell) ask(ctx context.Context, args []string) (r lab.Result, err error) {
	defer s.bound(ctx)()
	s.count++
	mark := fmt.Sprintf("answer %d: ", s.count)
	if _, err := fmt.Fprintf(s.conn, answer, quoted([]string{s.dir}), quoted(args), mark); err != nil {
		return r, err
	}
	status, err := s.await(mark)
	if err != nil {
		return r, err
	}
	if r.Code, err = strconv.Atoi(status); err != nil {
		return r, err
	}
	for _, into := range []*string{&r.Stdout, &r.Stderr} {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return r, err
		}
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
		if err != nil {
			return r, err
		}
		*into = string(text)
	}
	return r, nil
}

// bound has reading and writing fail when ctx ends, until stop is called.
func (s *shell) bound(ctx context.Context) (stop func() bool) {
	_ = s.conn.SetDeadline(time.Time{})
	return context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
}

// await reads up to a line that begins with the text, and returns its rest.
func (s *shell) await(begin string) (rest string, err error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		if rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), begin); ok {
			return rest, nil
		}
	}
}

// quoted is a command line whose words the shell takes as they are.
func quoted(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}
