//go:build lab

package netfilter

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"tunic/rules"
)

// node is a network namespace of a test.
type node struct {
	t    testing.TB
	name string
}

// newNode makes a namespace that goes with the test.
func newNode(t testing.TB, name string) *node {
	t.Helper()
	n := &node{t, fmt.Sprintf("tunic-rt-%d-%s", os.Getpid(), name)}
	command(t, "ip", "netns", "add", n.name)
	t.Cleanup(func() { command(t, "ip", "netns", "del", n.name) })
	n.ip("link set lo up")
	for _, name := range []string{"default", "all"} {
		n.set("ipv6/conf/"+name+"/accept_dad", "0")
	}
	return n
}

// do runs f on a thread that is in the namespace: sockets that f opens and
// programs that it starts are there too. The thread ends with f.
func (n *node) do(f func()) {
	n.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		handle, err := netns.GetFromName(n.name)
		if err == nil {
			defer handle.Close()
			err = netns.Set(handle)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		n.t.Fatalf("entering %s: %v", n.name, err)
	}
}

func (n *node) ip(args string) { n.t.Helper(); n.run("ip " + args) }

// run runs a command line in the namespace and returns what it printed.
func (n *node) run(line string) string {
	n.t.Helper()
	return command(n.t, "ip", append([]string{"netns", "exec", n.name}, strings.Fields(line)...)...)
}

// set writes a switch below /proc/sys/net.
func (n *node) set(name, value string) {
	n.t.Helper()
	n.do(func() {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644); err != nil {
			n.t.Error(err)
		}
	})
}

// command returns what a program printed. What it complained of counts only if it failed: "ip link show" looks at all
// namespaces' names, and complains of each that somebody else makes at that moment.
func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	var complaint strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %s: %v: %s%s", name, strings.Join(args, " "), err, out, complaint.String())
	}
	return string(out)
}

// kernel returns the packet filter of the namespace. Its methods must be
// called inside do.
func (n *node) kernel() *Kernel {
	n.t.Helper()
	var k *Kernel
	var err error
	n.do(func() { k, err = New(n.t.Context(), slog.New(slog.NewTextHandler(n.t.Output(), nil))) })
	if err != nil {
		n.t.Fatal(err)
	}
	return k
}

func (n *node) apply(k *Kernel, set rules.Ruleset) {
	n.t.Helper()
	var err error
	n.do(func() { err = k.Apply(n.t.Context(), set) })
	if err != nil {
		n.t.Fatal(err)
	}
}

func compile(t testing.TB, in rules.Input) rules.Ruleset {
	t.Helper()
	set, err := rules.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// household is the input for the network of the packet tests.
func household() rules.Input {
	return rules.Input{
		Mode:       rules.Open,
		Interfaces: []string{"lan1", "lan2"},
		Prefixes: []netip.Prefix{
			netip.MustParsePrefix("192.168.77.0/24"), netip.MustParsePrefix("2001:db8:77::/64"), netip.MustParsePrefix("fd77::/64"),
			netip.MustParsePrefix("192.168.78.0/24"), netip.MustParsePrefix("2001:db8:78::/64"),
		},
		Default:  rules.Tor,
		Carriers: []rules.Carrier{{UID: 971, TransPort: 9240, DNSPort: 9253}},
		Services: []rules.Service{
			{Name: "dns", UDP: true, Public: 53, Internal: 9353},
			{Name: "socks", Public: 9050, Internal: 9350},
		},
		Virtual4: netip.MustParsePrefix("10.192.0.0/16"),
		Virtual6: netip.MustParsePrefix("fdc7:7a3e:91b2::/48"),
	}
}
