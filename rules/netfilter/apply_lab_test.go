//go:build lab

package netfilter

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"tunic/rules"
)

// backends runs a test with each backend of iptables.
func backends(t *testing.T, test func(t *testing.T)) {
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			useBackend(t, backend)
			test(t)
		})
	}
}

// useBackend makes it the one that is found on PATH.
func useBackend(t *testing.T, backend string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, end := range []string{"", "-restore", "-save"} {
			path, err := exec.LookPath(name + "-" + backend + end)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path, filepath.Join(dir, name+end)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// saved returns all rules of the namespace, without counters and comments.
func (n *node) saved() string {
	n.t.Helper()
	var lines []string
	for line := range strings.Lines(n.run("iptables-save") + n.run("ip6tables-save")) {
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, "*") || strings.HasPrefix(line, ":TUNIC") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// verify returns what Verify finds.
func (n *node) verify(k *Kernel, set rules.Ruleset) []string {
	n.t.Helper()
	var drift []string
	var err error
	n.do(func() { drift, err = k.Verify(n.t.Context(), set) })
	if err != nil {
		n.t.Fatal(err)
	}
	return drift
}

func (n *node) teardown(k *Kernel) {
	n.t.Helper()
	var err error
	n.do(func() { err = k.Teardown(n.t.Context()) })
	if err != nil {
		n.t.Fatal(err)
	}
}

// foreign adds rules and hooks of somebody else to both families.
func (n *node) foreign() {
	for _, program := range []string{"iptables", "ip6tables"} {
		n.run(program + " -N CANARY")
		n.run(program + " -A CANARY -p tcp --dport 4242 -j RETURN")
		n.run(program + " -I FORWARD 1 -j CANARY")
		n.run(program + " -A INPUT -p tcp --dport 4242 -j ACCEPT")
		n.run(program + " -t nat -A PREROUTING -p tcp --dport 4242 -j REDIRECT --to-ports 4243")
		n.run(program + " -t mangle -A POSTROUTING -p tcp --dport 4242 -j RETURN")
	}
}

func TestApplyAndTeardown(t *testing.T) {
	backends(t, func(t *testing.T) {
		n := newNode(t, "apply")
		k := n.kernel()
		n.foreign()
		before := n.saved()
		set := compile(t, household())
		n.apply(k, set)
		once := n.saved()
		for _, rule := range []string{"-A TUNIC-POLICY -j TUNIC-REFUSE", "-A INPUT -j TUNIC-INPUT", "-A FORWARD -j CANARY"} {
			if strings.Count(once, rule+"\n") != 2 {
				t.Errorf("want %q once for each family in:\n%s", rule, once)
			}
		}
		if drift := n.verify(k, set); len(drift) != 0 {
			t.Errorf("drift right after Apply: %v", drift)
		}
		n.apply(k, set)
		if twice := n.saved(); twice != once {
			t.Errorf("applied twice:\n%s\nonce:\n%s", twice, once)
		}
		for range 2 {
			n.teardown(k)
			if after := n.saved(); after != before {
				t.Errorf("after teardown:\n%s\nbefore:\n%s", after, before)
			}
		}
	})
}

// TestApplyAllInputs loads every kind of rule on both backends.
func TestApplyAllInputs(t *testing.T) {
	closed, own, early := household(), household(), rules.Input{OwnTor: true, Carriers: []rules.Carrier{{TransPort: 9240, DNSPort: 9253}}}
	closed.Mode = rules.Lockdown
	own.OwnTor = true
	own.Devices = []rules.Device{{MAC: "02:00:00:00:00:01", Policy: rules.Block}}
	backends(t, func(t *testing.T) {
		n := newNode(t, "all")
		k := n.kernel()
		for _, in := range []rules.Input{early, closed, household(), own, closed, early} {
			set := compile(t, in)
			n.apply(k, set)
			if drift := n.verify(k, set); len(drift) != 0 {
				t.Errorf("drift: %v", drift)
			}
		}
	})
}

// TestBare: where no table is no program is asked, and where one is each family has its own.
func TestBare(t *testing.T) {
	useBackend(t, "nft")
	gw := newNode(t, "bare")
	k := gw.kernel()
	for _, c := range []struct {
		line  string
		asked int // programs
	}{
		{"nft add table ip other", 0}, // not iptables'
		{"nft add table inet filter", 0},
		{"ip6tables -t mangle -N OTHER", 1},
		{"iptables -A INPUT -j ACCEPT", 2},
		{"nft delete table ip6 mangle", 1},
		{"nft delete table ip filter", 0},
	} {
		gw.run(c.line)
		before := k.own.next
		now := gw.state(k)
		if asked := k.own.next - before; asked != c.asked || len(now) != 2*len(tableNames) {
			t.Errorf("after %q %d programs were asked, and %d tables looked at", c.line, asked, len(now))
		}
		filter := now[tableID{rules.IPv4, "filter"}]
		if got := len(filter["INPUT"]); (got == 1) != (c.asked == 2 || c.line == "nft delete table ip6 mangle") {
			t.Errorf("after %q INPUT has %d rules", c.line, got)
		}
	}
}

// TestGoldens loads the files of the compiler's test, without keeping them.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.ip?")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	backends(t, func(t *testing.T) {
		n := newNode(t, "golden")
		for _, file := range files {
			program := "iptables-restore"
			if strings.HasSuffix(file, ".ip6") {
				program = "ip6tables-restore"
			}
			n.run(program + " --test --noflush --wait 5 " + file)
		}
	})
}

func TestParallel(t *testing.T) {
	backends(t, func(t *testing.T) {
		n := newNode(t, "parallel")
		kernels := []*Kernel{n.kernel(), n.kernel(), n.kernel()} // as if they were three processes
		sets := []rules.Ruleset{compile(t, household()), compile(t, household())}
		var group sync.WaitGroup
		for i := range 9 {
			group.Go(func() {
				n.do(func() {
					if err := kernels[i%3].Apply(t.Context(), sets[i%2]); err != nil {
						t.Error(err)
					}
				})
			})
		}
		group.Wait()
		n.apply(kernels[0], sets[0])
		if drift := n.verify(kernels[0], sets[0]); len(drift) != 0 {
			t.Errorf("drift: %v", drift)
		}
	})
}

func TestBadRuleKeepsOldChains(t *testing.T) {
	backends(t, func(t *testing.T) {
		n := newNode(t, "bad")
		k := n.kernel()
		n.apply(k, compile(t, household()))
		before := n.saved()
		bad := compile(t, household())
		policy := &bad.Tables[0].Chains[4]
		policy.Rules = append(slices.Clone(policy.Rules), "-m nosuchmatch -j DROP")
		var err error
		n.do(func() { err = k.Apply(t.Context(), bad) })
		if err == nil || !strings.Contains(err.Error(), "ip4 filter") {
			t.Errorf("error %v, want one that names the table", err)
		}
		if after := n.saved(); after != before {
			t.Errorf("the rules are now\n%s\nand were\n%s", after, before)
		}
	})
}

func TestDriftIsFoundAndRepaired(t *testing.T) {
	cases := []struct{ name, change, want string }{
		{"hook behind another", "iptables -I FORWARD 1 -j ACCEPT", "ip4 filter: the hook in FORWARD is not the first rule"},
		{"hook gone", "ip6tables -D OUTPUT -j TUNIC-OUTPUT", "ip6 filter: the hook in OUTPUT is missing"},
		{"hook twice", "iptables -t nat -A PREROUTING -j TUNIC-REDIRECT", "ip4 nat: the hook in PREROUTING is there more than once"},
		{"everything flushed", "iptables -t mangle -F", "ip4 mangle: chain TUNIC-POST was changed"},
		{"rule deleted", "ip6tables -D TUNIC-FROM 1", "ip6 filter: chain TUNIC-FROM was changed"},
		{"rule added", "iptables -I TUNIC-POLICY 1 -j ACCEPT", "ip4 filter: chain TUNIC-POLICY was changed"},
		{"chain added", "iptables -N TUNIC-OLD", "ip4 filter: chain TUNIC-OLD was added"},
	}
	backends(t, func(t *testing.T) {
		n := newNode(t, "drift")
		k := n.kernel()
		set := compile(t, household())
		n.apply(k, set)
		for _, c := range cases {
			n.run(c.change)
			if drift := n.verify(k, set); !slices.Contains(drift, c.want) {
				t.Errorf("%s: drift %q, want %q", c.name, drift, c.want)
			}
			n.apply(k, set)
			if drift := n.verify(k, set); len(drift) != 0 {
				t.Errorf("%s: not repaired: %q", c.name, drift)
			}
		}
		if !strings.Contains(n.saved(), "-A FORWARD -j ACCEPT") {
			t.Error("the rule of somebody else did not survive the repair")
		}
	})
}

func TestVerifyKnowsOtherRules(t *testing.T) {
	n := newNode(t, "other")
	k := n.kernel()
	open := compile(t, household())
	if drift := n.verify(k, open); len(drift) == 0 {
		t.Error("no drift before the first Apply")
	}
	n.apply(k, open)
	in := household()
	in.Mode = rules.Lockdown
	if drift := n.verify(k, compile(t, in)); !slices.Contains(drift, "ip6 filter: other rules than these were applied") {
		t.Errorf("drift: %q", drift)
	}
}

// TestMixedBackends loads a legacy table beside nft.
func TestMixedBackends(t *testing.T) {
	useBackend(t, "nft")
	n := newNode(t, "mixed")
	n.run("ip6tables-legacy -A INPUT -j ACCEPT")
	n.do(func() {
		k, err := New(t.Context(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Error(err)
			return
		}
		if err := k.CheckBackend(); !errors.Is(err, ErrMixed) || !strings.Contains(err.Error(), "ip6_tables_names: filter") {
			t.Errorf("error %v, want ErrMixed with the table's name", err)
		}
		if err := k.Apply(t.Context(), compile(t, household())); err != nil { // it can be closed nevertheless
			t.Error(err)
		}
	})
}
