package netfilter

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunic/rules"
)

func TestParseVersion(t *testing.T) {
	cases := []struct {
		text  string
		want  Version
		waits bool
	}{
		{"iptables v1.8.9 (nf_tables)\n", Version{1, 8, 9, BackendNFT}, true},
		{"ip6tables-restore v1.8.9 (legacy)", Version{1, 8, 9, BackendLegacy}, true},
		{"iptables v1.6.2", Version{1, 6, 2, BackendLegacy}, true},
		{"iptables v1.6.1", Version{1, 6, 1, BackendLegacy}, false},
		{"iptables v1.4.21", Version{1, 4, 21, BackendLegacy}, false},
		{"iptables v2.0.0 (nf_tables)", Version{2, 0, 0, BackendNFT}, true},
	}
	for _, c := range cases {
		got, err := ParseVersion(c.text)
		if err != nil || got != c.want || got.waits() != c.waits {
			t.Errorf("%q: %v (waits %v), %v", c.text, got, got.waits(), err)
		}
	}
	if _, err := ParseVersion("command not found"); err == nil {
		t.Error("a version was found in a text without one")
	}
}

func TestParseSaved(t *testing.T) {
	const text = "# Generated\n*filter\n:INPUT ACCEPT [5:0]\n:TUNIC-X - [0:0]\n-A INPUT -j TUNIC-X\n-A TUNIC-X -p tcp -j DROP\nCOMMIT\n" +
		"# Table `security' is incompatible, use 'nft' tool.\n*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
	tables, err := parseSaved(text)
	got := tables["filter"]
	if err != nil || len(tables) != 2 || len(got) != 2 || !slices.Equal(got["INPUT"], []string{"-j TUNIC-X"}) ||
		!slices.Equal(got["TUNIC-X"], []string{"-p tcp -j DROP"}) {
		t.Errorf("got %q, %v", tables, err)
	}
	if own := got.own(); len(own) != 1 {
		t.Errorf("own chains %q", own)
	}
	if _, err := parseSaved("# Table `filter' is incompatible, use 'nft' tool.\n"); !errors.Is(err, errIncompatible) {
		t.Errorf("a table that cannot be read: %v", err)
	}
}

func TestHookCommands(t *testing.T) {
	const hook = "-j TUNIC-FORWARD"
	cases := []struct {
		name  string
		chain []string
		want  []string
	}{
		{"first already", []string{hook, "-j OTHER"}, nil},
		{"none", []string{"-j OTHER"}, []string{"-I FORWARD 1 " + hook}},
		{"second", []string{"-j OTHER", hook}, []string{"-D FORWARD " + hook, "-I FORWARD 1 " + hook}},
		{"twice", []string{hook, "-j OTHER", hook}, []string{"-D FORWARD " + hook, "-D FORWARD " + hook, "-I FORWARD 1 " + hook}},
		{"alike but not ours", []string{"-p tcp " + hook}, []string{"-I FORWARD 1 " + hook}},
	}
	for _, c := range cases {
		now := listing{"INPUT": {"-j TUNIC-INPUT"}, "OUTPUT": {"-j TUNIC-OUTPUT"}, "FORWARD": c.chain}
		if got := hookCommands(now, "filter"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEmptyRulesetIsRefused(t *testing.T) {
	k := &Kernel{log: slog.New(slog.DiscardHandler)}
	if err := k.Apply(t.Context(), rules.Ruleset{}); err == nil {
		t.Error("an empty ruleset was applied")
	}
}

// programsOnPath makes the only programs on PATH print the given versions.
func programsOnPath(t *testing.T, versions map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, version := range versions {
		script := "#!/bin/sh\necho '" + name + " " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestNewRefuses(t *testing.T) {
	all := func(version string) map[string]string {
		return map[string]string{"iptables": version, "iptables-restore": version, "iptables-save": version, "ip6tables": version,
			"ip6tables-restore": version, "ip6tables-save": version}
	}
	mixed, partial := all("v1.8.9 (legacy)"), all("v1.8.9 (legacy)")
	mixed["ip6tables"] = "v1.8.9 (nf_tables)"
	delete(partial, "ip6tables-restore")
	cases := []struct {
		name     string
		programs map[string]string
		want     error
		says     string
	}{
		{"nothing there", nil, ErrNotInstalled, "install the package iptables"},
		{"one missing", partial, ErrNotInstalled, "ip6tables-restore"},
		{"two backends", mixed, ErrMixed, "update-alternatives"},
		{"old", all("v1.6.1"), ErrTooOld, "1.6.2"},
		{"fine", all("v1.8.9 (legacy)"), nil, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			programsOnPath(t, c.programs)
			k, err := New(t.Context(), slog.New(slog.DiscardHandler))
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want %v with %q", err, c.want, c.says)
			}
			if err == nil && k.Version().Backend != BackendLegacy {
				t.Errorf("version %v", k.Version())
			}
		})
	}
}

func FuzzParseSaved(f *testing.F) {
	f.Add("*filter\n:INPUT ACCEPT [0:0]\n:TUNIC-X - [0:0]\n-A TUNIC-X -j DROP\nCOMMIT\n")
	f.Add("*nat\n-A")
	f.Fuzz(func(t *testing.T, text string) {
		tables, _ := parseSaved(text)
		for _, chains := range tables {
			for name := range chains {
				if name == "" || strings.ContainsAny(name, " \n") {
					t.Errorf("chain %q", name)
				}
			}
		}
	})
}
