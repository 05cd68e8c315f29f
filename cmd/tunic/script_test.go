package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tunic/gateway/onion"
	"tunic/internal/native"
)

// TestMain lets the scripts run this test binary as the command tunic.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tunic": main})
}

// Each file of testdata/script is a session at a terminal, with a root
// directory of its own and no daemon.
func TestScripts(t *testing.T) {
	native.Require(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			root := filepath.Join(e.WorkDir, "root")
			e.Setenv("TUNIC_ROOT", root)
			return os.MkdirAll(filepath.Join(root, "etc/tunic"), 0o755)
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"foreign": foreign,
			"cut":     damage(func(b []byte) []byte { return b[:len(b)-100] }),
			"flip":    damage(func(b []byte) []byte { b[len(b)-100] ^= 1; return b }),
			"newer":   newer,
			"keypair": keypair,
		},
	})
}

// condition knows [root], [user:NAME] for a system user that is there, and
// [asks-tor]: tor is installed, and there is somebody it can run as.
func condition(cond string) (bool, error) {
	if cond == "asks-tor" {
		_, err := exec.LookPath("tor")
		if _, missing := user.Lookup("tunic-tor"); os.Geteuid() == 0 {
			err = errors.Join(err, missing)
		}
		return err == nil, nil
	}
	if name, ok := strings.CutPrefix(cond, "user:"); ok {
		_, err := user.Lookup(name)
		return err == nil, nil
	}
	return cond == "root" && os.Geteuid() == 0, nil
}

// foreign makes a directory with the keys of another tor: foreign DIR.
func foreign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: foreign DIR")
	}
	_, err := onion.EnsureKeys(ts.MkAbs(args[0]), os.Getuid(), os.Getgid())
	ts.Check(err)
}

// exits runs a verb for somebody who is not root, and compares its exit status:
// exits 2 tunic check. What it prints is for the next lines to look at.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "tunic" {
		ts.Fatalf("usage: exits STATUS tunic ARG...")
	}
	a := &app{in: strings.NewReader(""), out: ts.Stdout(), err: ts.Stderr(), env: ts.Getenv, uid: 1000}
	if code := execute(context.Background(), a, args[2:]); strconv.Itoa(code) != args[0] {
		ts.Fatalf("the exit status is %d, not %s", code, args[0])
	}
}
