package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tunic/gateway/api"
	"tunic/gateway/config"
)

func TestPermissionErrorsSayRoot(t *testing.T) {
	for _, err := range []error{
		fmt.Errorf("reading the state file: %w", fs.ErrPermission),
		wrongInput(fmt.Errorf("making the file: %w", fs.ErrPermission), "nothing was changed"),
		&api.Failure{Problem: api.Problem{Error: "keeping a file: permission denied", Hint: "nothing was changed"}},
		errors.New("iptables: Permission denied (you must be root)"),
		syscall.EPERM,
		config.Errors{{Msg: "cannot be read: permission denied"}},
		api.ErrNotRunning,
	} {
		if f := (&app{uid: 1000}).helped(explain(err)); !strings.HasSuffix(f.hint, asRoot) {
			t.Errorf("%v: %q", err, f.hint)
		}
		if f := (&app{}).helped(explain(err)); strings.Contains(f.hint, asRoot) {
			t.Errorf("root, %v: %q", err, f.hint)
		}
	}
	if f := (&app{uid: 1000}).helped(explain(usageError("see the help", "unknown verb"))); f.hint != "see the help" {
		t.Errorf("a wrong word: %q", f.hint)
	}
}

// needNoRoot are verbs that nobody needs to be root for, and those that the daemon starts.
var needNoRoot = map[string]bool{"version": true, "explain": true, "completion": true, "help": true, "serve": true, "clock": true,
	"confine": true, "cell": true, "guest": true, "ready": true,
	"exit-statuses": true, "manual": true}

// asNobody are words for the verbs that want some.
var asNobody = map[string]string{
	"publish": "photos 80=192.168.1.20:8080", "unpublish": "photos", "address": "home", "rotate": "home --keep 1d", "import": "a shut",
	"export": "home out", "certificate": "home --out tls", "anchor": "alice",
	"backup": "out.age", "restore": "shut", "user add": "bob", "user passwd": "bob", "user remove": "bob",
	"user role": "bob admin", "user show": "bob", "mail show": "x", "mail drop": "x", "irc ban": "x", "irc unban": "u.98f6ef32",
	"irc operator": "ann", "grant": "photos alice", "revoke": "photos alice", "invite": "alice",
	"accept": "x", "confirm": "alice", "rename": "a b", "introduce": "a b", "forget": "alice --yes",
	"service add": "uptime --friend alice -- /usr/bin/uptime", "service remove": "uptime", "pipe": "alice uptime", "chat": "alice",
	"away add": "annphone --user ann", "away remove": "annphone",
	"send": "alice /etc/hostname", "inbox take": "alice/x", "inbox remove": "alice/x",
	"device": "02:00:00:00:00:01 --policy tor", "portal": "phone", "sample": "cpu",
	"bypass add": "bank.example", "bypass remove": "bank.example",
	"new-identity": "phone", "why": "192.168.1.3", "try": "bank.example", "teardown": "--yes", "profiles": "", "wait": "--timeout 0",
}

// TestNobodyIsToldToBeRoot runs each verb as a user who may read and change nothing,
// without a daemon, and with one whose socket is not for them. A new verb is tried too,
// or named above.
func TestNobodyIsToldToBeRoot(t *testing.T) {
	t.Run("no daemon", func(t *testing.T) { tryAsNobody(t, nobodysTunic(t)) })
	t.Run("a daemon", func(t *testing.T) { tryAsNobody(t, nobodysTunic(t, "run")) })
}

func tryAsNobody(t *testing.T, tunic func(...string) (string, error)) {
	for _, c := range verbs(newRoot(&app{env: func(string) string { return "" }})) {
		name := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "tunic"), " ")
		words := strings.Fields(name)
		if len(words) == 0 || needNoRoot[words[0]] || needNoRoot[c.Name()] || c.HasSubCommands() && c.Name() != "leaktest" {
			continue
		}
		if words[0] == "onion" || words[0] == "friend" { // whose verbs are those without it
			name = strings.Join(words[1:], " ")
		}
		out, err := tunic(append(words, strings.Fields(asNobody[name])...)...)
		if err == nil || !strings.Contains(out, "as root") || strings.Count(out, "denied") > 2 {
			t.Errorf("tunic %s %s: %v\n%s", name, asNobody[name], err, out)
		}
	}
}

// nobodysTunic runs the command with a root directory in which the configuration, the
// state and what else is named are shut.
func nobodysTunic(t *testing.T, shut ...string) func(...string) (string, error) {
	dir, err := os.MkdirTemp("", "tunic")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	root, program := filepath.Join(dir, "root"), filepath.Join(dir, "tunic") // TestMain knows the name
	for _, d := range append(shut, "etc/tunic", "var/lib/tunic", "../shut") {
		if err := errors.Join(os.MkdirAll(filepath.Join(root, d), 0o755), os.Chmod(filepath.Join(root, d), 0)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(filepath.Join(root, d), 0o700) })
	}
	if err := errors.Join(os.Chmod(dir, 0o755), copyFile(program, "/proc/self/exe")); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) (string, error) {
		c := exec.CommandContext(t.Context(), program, args...)
		c.Dir, c.Env = dir, []string{"TUNIC_ROOT=" + root, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		c.Stdin = strings.NewReader("a password that is long enough\n")
		if os.Geteuid() == 0 {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := c.CombinedOutput()
		return string(out), err
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
