// Package systemd holds the units; its tests keep what they promise.
package systemd

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// settings are a unit's lines by the name before the "=", in their order.
func settings(t *testing.T, unit string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for _, line := range strings.Split(string(text), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			found[name] = append(found[name], value)
		}
	}
	return found
}

func expect(t *testing.T, unit string, want map[string][]string) {
	t.Helper()
	have := settings(t, unit)
	for name, values := range want {
		if !slices.Equal(have[name], values) {
			t.Errorf("%s: %s is %q, not %q", unit, name, have[name], values)
		}
	}
}

// TestDaemon: each line here was missed by a real machine.
func TestDaemon(t *testing.T) {
	expect(t, "tunic.service", map[string][]string{
		"Type":                     {"notify"},
		"After":                    {"tunic-lockdown.service"}, // and no network-online.target, which a cable that is out delays by minutes
		"Wants":                    {"tunic-lockdown.service tunic-clock.timer"},
		"StartLimitIntervalSec":    {"0"},
		"TimeoutStartSec":          {"90"},
		"RestartPreventExitStatus": {"78"},
		"OOMPolicy":                {"continue"},
		"OOMScoreAdjust":           {"-500"},
		"MemoryMax":                {"75%"},
		"KillMode":                 {"mixed"},
		"ProtectSystem":            {"strict"},
		"ReadWritePaths":           {"/etc/tunic -/run/xtables.lock"},
		"SystemCallFilter":         {"@system-service adjtimex", "~@resources"},
		"SystemCallErrorNumber":    {"EPERM"},
		"ProtectClock":             nil, // it refuses to tell the clock's state
		"ProtectProc":              {"invisible"},
		"RestrictNamespaces":       {"user pid net ipc"}, // package cell
		"ProtectHome":              {"yes"},
		"NoNewPrivileges":          {"yes"},
		"RestrictSUIDSGID":         {"yes"}, // openat2 is refused by it
		"CapabilityBoundingSet": {"CAP_NET_ADMIN CAP_NET_RAW CAP_SETUID CAP_SETGID CAP_KILL CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE " +
			"CAP_NET_BIND_SERVICE"},
	})
}

// refused are calls as Go names them that the daemon's unit refuses: openat2 by
// RestrictSUIDSGID=, since a filter cannot see its mode, and what is in @resources
// (Setrlimit is prlimit64, which is not).
var refused = regexp.MustCompile(`\b(?:unix|syscall)\.(?:SYS_)?(?i:openat2|setpriority|sched_?set_?(?:affinity|attr|param|scheduler)|` +
	`ioprio_?set|mbind|set_?mempolicy|migrate_?pages|move_?pages)\b`)

// TestRefusedCalls: a program that is started by hand, as in most tests, may call them.
func TestRefusedCalls(t *testing.T) {
	for _, call := range []string{"unix.Openat2(x)", "unix.SYS_OPENAT2", "syscall.Setpriority(x)", "unix.SchedSetaffinity(x)"} {
		if !refused.MatchString(call) {
			t.Errorf("%s is not seen", call)
		}
	}
	files := 0
	for _, dir := range []string{"cmd", "gateway", "rules"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			text, err := os.ReadFile(path)
			if call := refused.Find(text); call != nil {
				t.Errorf("%s has %s, which the unit refuses", path, call)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("%d files were read", files)
	}
}

func TestLockdown(t *testing.T) {
	expect(t, "tunic-lockdown.service", map[string][]string{
		"DefaultDependencies":   {"no"},
		"Before":                {"network-pre.target shutdown.target"},
		"Type":                  {"oneshot"},
		"RemainAfterExit":       {"yes"},
		"ExecStart":             {"@PREFIX@/bin/tunic lockdown --boot"}, // a restart closes nothing beside a daemon
		"ReadWritePaths":        {"-/run/xtables.lock"},
		"SystemCallErrorNumber": {"EPERM"},
		"WantedBy":              {"sysinit.target"},
	})
	if after := settings(t, "tunic-lockdown.service")["After"]; !slices.Contains(after, "systemd-tmpfiles-setup.service") {
		t.Error("the lock of legacy iptables is not there yet when it is needed")
	}
	text, err := os.ReadFile("tunic.tmpfiles")
	if err != nil || !strings.Contains(string(text), "\nf /run/xtables.lock 0600 root root -\n") {
		t.Errorf("nobody makes the lock of legacy iptables: %v", err)
	}
}
