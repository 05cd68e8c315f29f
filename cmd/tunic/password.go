package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tunic/gateway/account"
)

// password asks for a new password, or reads it from what is no terminal. An
// empty line means that one is to be made.
func (a *app) password(ctx context.Context, name string) (password string, made bool, err error) {
	in := bufio.NewReader(a.in)
	if f, ok := a.in.(*os.File); ok && isTerminal(f) {
		password, err = a.askTwice(ctx, f, in, name)
	} else if password, err = readLine(ctx, in); errors.Is(err, io.EOF) {
		err = usageError("an empty line has one generated and printed", "no password came on standard input")
	}
	if err != nil {
		return "", false, err
	}
	if password == "" {
		return account.Generate(), true, nil
	}
	if err := account.CheckPassword(name, password); err != nil {
		return "", false, usageError("an empty line has one generated and printed", "%v", err)
	}
	return password, false, nil
}

// askTwice asks at a terminal until an answer will do.
func (a *app) askTwice(ctx context.Context, f *os.File, in *bufio.Reader, name string) (string, error) {
	show, err := hideInput(f)
	if err != nil {
		return "", err
	}
	defer show()
	ask := func(question string) (string, error) {
		fmt.Fprint(a.err, question)
		defer fmt.Fprintln(a.err) // the terminal has not shown the end of the line
		return readLine(ctx, in)
	}
	for {
		first, err := ask(fmt.Sprintf("Password for %s (leave empty to have one generated): ", name))
		if err != nil || first == "" {
			return "", err
		}
		if err := account.CheckPassword(name, first); err != nil {
			fmt.Fprintln(a.err, err)
			continue
		}
		again, err := ask("The same again: ")
		if err != nil || again == first {
			return first, err
		}
		fmt.Fprintln(a.err, "they are not the same")
	}
}

// readLine returns the next line without its end, or ctx's error when it ends
// first (Ctrl-C).
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := in.ReadString('\n')
		if line != "" {
			err = nil
		}
		done <- result{strings.TrimRight(line, "\r\n"), err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// hideInput stops the terminal from showing what is typed (termios(3)), and
// returns what makes it show it again.
func hideInput(f *os.File) (show func(), err error) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("looking at the terminal: %w", err)
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return nil, fmt.Errorf("hiding what is typed: %w", err)
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}
