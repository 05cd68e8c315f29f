// Command report is for `make bench`: what it does with the file of results.
//
//	report check NEW KEPT       fails if a ratio is more than a fifth worse than the one that was kept
//	report keep NEW KEPT        keeps the ratios of NEW
//	report page NEW PAGE        writes the table into the page, with what the machine and the programs are
//
// Use it after the parts have run. It needs no rights and measures nothing.
package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"tunic/internal/bench"
)

func main() {
	if err := execute(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func execute(out io.Writer, args []string) error {
	if len(args) != 3 {
		return errors.New("say what to do and with which two files, as the comment of internal/bench/report/main.go has it")
	}
	rows, rounds, err := bench.Read(args[1])
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("there is nothing in %s: run `make bench` first", args[1])
	}
	switch args[0] {
	case "check":
		return check(out, rows, args[2])
	case "keep":
		return bench.Keep(args[2], rows)
	case "page":
		return page(rows, rounds, args[2])
	}
	return fmt.Errorf("no %q: see the comment of internal/bench/report/main.go", args[0])
}

// check says which ratios are worse, and fails if there are any.
func check(out io.Writer, rows []bench.Row, path string) error {
	kept, _, err := bench.Read(path)
	if err != nil {
		return err
	}
	if len(kept) == 0 {
		return fmt.Errorf("there is nothing to compare with in %s: run `make bench-keep`", path)
	}
	worse, missing := bench.Losses(rows, kept)
	for _, name := range missing {
		fmt.Fprintf(out, "not measured: %s\n", name)
	}
	for _, text := range worse {
		fmt.Fprintf(out, "worse: %s\n", text)
	}
	switch {
	case len(worse) > 0:
		return fmt.Errorf("%d ratios are more than a fifth worse than in %s; measure that part alone again first", len(worse), path)
	case len(missing) > 0:
		return fmt.Errorf("%d rows were not measured: run `make bench`, and look which part of it failed", len(missing))
	}
	fmt.Fprintf(out, "%d ratios, none more than a fifth worse\n", len(kept))
	return nil
}

func page(rows []bench.Row, rounds bench.Rounds, path string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\n", machine())
	if err := bench.WriteTable(&text, rows, rounds); err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	now, err := bench.Replace(string(old), text.String())
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(now), 0o644)
}

// packages are Debian's of the programs that are compared with.
var packages = []string{"tor", "iptables", "dnsmasq-base", "unbound", "dnsperf", "microsocks", "haproxy", "postfix", "gophernicus"}

// machine says on what and with what it was measured; what cannot be found out is left out.
func machine() string {
	said := func(name string, args ...string) string {
		out, _ := exec.Command(name, args...).Output()
		return strings.TrimSpace(string(out))
	}
	var parts []string
	add := func(format, value string) {
		if value != "" {
			parts = append(parts, fmt.Sprintf(format, value))
		}
	}
	add("Commit %s", said("git", "describe", "--tags", "--always", "--dirty"))
	parts = append(parts, fmt.Sprintf("%d processors", runtime.NumCPU()))
	add("%s", said("sed", "-n", "s/^model name.*: //p;T;q", "/proc/cpuinfo"))
	kernel, _, _ := strings.Cut(said("uname", "-r"), "-") // what follows is the builder's own
	add("Linux %s", kernel)
	add("Debian %s", said("cat", "/etc/debian_version"))
	parts = append(parts, runtime.Version())
	for _, name := range packages {
		add(name+" %s", said("dpkg-query", "-W", "-f", "${Version}", name))
	}
	if made, err := buildinfo.ReadFile("dist/peers/sing-box"); err == nil {
		add("sing-box %s", made.Main.Version)
	}
	return strings.Join(parts, ", ") + "."
}
