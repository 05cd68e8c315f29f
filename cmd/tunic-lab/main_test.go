package main

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"tunic/internal/lab"
)

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"--lab", "Not-A-Name", "status"},
		{"--lab", "waytoolong", "down"},
		{"up", "--households", "4"},
		{"up", "--no-such-flag"},
	} {
		cmd := command()
		cmd.SetArgs(args)
		var usage usageError
		if err := cmd.ExecuteContext(t.Context()); !errors.As(err, &usage) {
			t.Errorf("%v: %v, want a usage error", args, err)
		}
	}
}

func TestHelpHidesServers(t *testing.T) {
	cmd := command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--help"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"up", "status", "exec", "down"} {
		if !strings.Contains(out.String(), "\n  "+verb+" ") {
			t.Errorf("the help lacks %s:\n%s", verb, out.String())
		}
	}
	if strings.Contains(out.String(), "servers of the lab") {
		t.Errorf("the help shows what only the lab itself calls:\n%s", out.String())
	}
}

func TestPrintStatus(t *testing.T) {
	s := lab.Status{
		Nodes: []lab.Node{{Name: "phone", Role: lab.Device,
			Uplink: lab.Interface{Addrs: []netip.Prefix{netip.MustParsePrefix("192.168.77.10/24")}}}},
		Processes: []lab.ProcessStatus{{Name: "exit1", Node: "relays", PID: 7, Log: "/x/exit1.log"}},
		Captures:  []lab.CaptureStatus{{Gateway: "gateway", File: "/x/gateway.pcap", Packets: 12, Foreign: 3}},
	}
	for _, c := range []struct {
		json bool
		want []string
	}{
		{false, []string{"phone  device  192.168.77.10", "ended: see /x/exit1.log", "gateway     12       3"}},
		{true, []string{`"alive": false`, `"foreign": 3`, `"192.168.77.10/24"`}},
	} {
		var out bytes.Buffer
		if err := printStatus(&out, s, c.json); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("JSON %v: %q is missing in\n%s", c.json, want, out.String())
			}
		}
	}
}
