// Command release makes what goes beside the packages of a version, and what
// goes into them of its number: Debian's version and changelog, the notices of
// the modules, the bill of materials, the sums, and their signature.
//
//	release version v1.2.3-4-g620dc49 SECONDS
//	release changelog VERSION SECONDS MAINTAINER
//	release notices PROGRAM
//	release sbom PROGRAM VERSION SECONDS
//	release sums DIRECTORY
//	release sign KEY-FILE DIRECTORY
//	release verify PUBLIC-KEY-FILE DIRECTORY
//
// SECONDS is when the version was committed, in seconds of Unix: nothing here
// looks at the clock, so that the same source gives the same bytes. The first
// four print; sums and sign write into the directory. A key that has a password
// asks for it, or reads it from standard input; there is no other way to say it.
// It is for `make dist`; the programs of a box do not need it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// verb is what release can do: with how many arguments.
type verb struct {
	arguments int
	do        func(out io.Writer, args []string) error
}

var verbs = map[string]verb{
	"version":   {2, printVersion},
	"changelog": {3, printChangelog},
	"notices":   {1, printNotices},
	"sbom":      {3, printBill},
	"sums":      {1, func(_ io.Writer, args []string) error { return writeSums(args[0]) }},
	"sign":      {2, func(_ io.Writer, args []string) error { return sign(args[0], args[1], askPassword) }},
	"verify":    {2, func(_ io.Writer, args []string) error { return verify(args[0], args[1]) }},
}

func main() {
	if err := execute(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func execute(out io.Writer, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do, as the comment of internal/release/main.go has it")
	}
	v, ok := verbs[args[0]]
	if !ok || len(args)-1 != v.arguments {
		return fmt.Errorf("no %q with %d arguments: see the comment of internal/release/main.go", args[0], len(args)-1)
	}
	return v.do(out, args[1:])
}

// moment reads seconds of Unix.
func moment(seconds string) (time.Time, error) {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when the version was committed: %w: set BUILT to seconds of Unix", err)
	}
	return time.Unix(n, 0).UTC(), nil
}

func printVersion(out io.Writer, args []string) error {
	at, err := moment(args[1])
	if err != nil {
		return err
	}
	v, err := debianVersion(args[0], at)
	if err == nil {
		_, err = fmt.Fprintln(out, v)
	}
	return err
}

func printChangelog(out io.Writer, args []string) error {
	at, err := moment(args[1])
	if err == nil {
		_, err = io.WriteString(out, changelog(args[0], at, args[2]))
	}
	return err
}
