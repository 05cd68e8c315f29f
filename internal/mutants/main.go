// Command mutants looks which guards of a package no test misses. A guard is an
// `if` whose block leaves the function or the loop. Each is removed, and then
// turned round, one at a time, and the package's tests are run: when they pass,
// the mutant has survived, and its line is printed.
//
//	go run ./internal/mutants -for 10m ./gateway/peer
//
// The package is compiled once with all mutants in it; nothing in the source tree
// is changed.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func main() {
	var r run
	flag.DurationVar(&r.total, "for", 10*time.Minute, "how long to try mutants")
	flag.DurationVar(&r.each, "timeout", time.Minute, "how long the tests may take for one")
	flag.BoolVar(&r.errs, "errors", false, "also guards that are nothing but `err != nil`")
	flag.StringVar(&r.tests, "run", "", "only tests that match, as of go test")
	files := flag.String("files", "", "only guards in files that match this regular expression")
	flag.Parse()
	r.files = regexp.MustCompile(*files)
	survived, err := r.try(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
	if survived > 0 {
		os.Exit(3)
	}
}

// run is one look at a package.
type run struct {
	total, each time.Duration
	errs        bool
	tests       string
	files       *regexp.Regexp

	dir, program string // of the package, and its tests with all mutants
	work         string // a directory for what is made
}

// try prints the survivors, and returns how many there are.
func (r *run) try(pkg string) (survived int, err error) {
	if r.work, err = os.MkdirTemp("", "mutants-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(r.work)
	guards, err := r.build(pkg)
	if err != nil {
		return 0, err
	}
	if pass, _ := r.pass(0, false); !pass {
		return 0, errors.New("the tests fail without a mutant, or take too long")
	}
	end := time.Now().Add(r.total)
	tried, unmet := 0, 0
	for i, g := range guards {
		if g.plain && !r.errs || !r.files.MatchString(filepath.Base(g.file)) {
			continue
		}
		if time.Now().After(end) {
			fmt.Printf("the time is up before %v\n", g)
			break
		}
		for _, turned := range []bool{false, true} {
			tried++
			pass, met := r.pass(i+1, turned)
			if !met {
				unmet++
				fmt.Printf("never met: %v\n", g)
				break
			}
			if pass {
				survived++
				fmt.Printf("survived %s: %v\n", map[bool]string{false: "without", true: "turned round"}[turned], g)
			}
		}
	}
	fmt.Printf("%d mutants tried, %d survived, %d guards no test meets\n", tried, survived, unmet)
	return survived, nil
}

// build compiles the tests of a package with all mutants.
func (r *run) build(pkg string) ([]guard, error) {
	var p struct {
		Dir, Name string
		GoFiles   []string
	}
	out, err := exec.Command("go", "list", "-json=Dir,Name,GoFiles", pkg).Output()
	if err == nil {
		err = json.Unmarshal(out, &p)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pkg, err)
	}
	r.dir, r.program = p.Dir, filepath.Join(r.work, "tests")
	var files []string
	for _, name := range p.GoFiles {
		files = append(files, filepath.Join(p.Dir, name))
	}
	lists, sources, err := readGuards(files)
	if err != nil {
		return nil, err
	}
	overlay := map[string]string{filepath.Join(p.Dir, "zz_mutants.go"): filepath.Join(r.work, "hook.go")}
	errs := os.WriteFile(filepath.Join(r.work, "hook.go"), []byte(hookSource(p.Name)), 0o600)
	var all []guard
	for i, list := range lists {
		to := filepath.Join(r.work, strconv.Itoa(i)+".go")
		errs = errors.Join(errs, os.WriteFile(to, switchable(sources[i], list, len(all)+1), 0o600))
		overlay[files[i]], all = to, append(all, list...)
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	errs = errors.Join(errs, err, os.WriteFile(filepath.Join(r.work, "overlay.json"), text, 0o600))
	if errs != nil {
		return nil, errs
	}
	c := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(r.work, "overlay.json"), "-o", r.program, pkg)
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling: %w\n%s", err, out)
	}
	return all, nil
}

// pass runs the tests with one mutant, or with none (0), and reports whether they
// pass and whether they came to the guard.
func (r *run) pass(n int, turned bool) (pass, met bool) {
	note := filepath.Join(r.work, "met")
	os.Remove(note)
	c := exec.Command(r.program, "-test.failfast", "-test.timeout="+r.each.String(), "-test.run="+r.tests)
	c.Dir = r.dir
	c.Env = append(os.Environ(), envNumber+"="+strconv.Itoa(n), envMet+"="+note)
	if turned {
		c.Env = append(c.Env, envTurned+"=yes")
	}
	out, err := c.CombinedOutput()
	if n == 0 && err != nil {
		fmt.Fprintln(os.Stderr, strings.TrimSpace(string(out)))
	}
	_, statErr := os.Stat(note)
	return err == nil, statErr == nil
}
